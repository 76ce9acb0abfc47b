/** Everything that one test needs, on ports of its own: an application, its Belfry, and the cable between browser and both. */

import { Belfry, type BelfryOptions } from './belfry.js';
import { Site, type SiteOptions } from './site.js';
import { Wire } from './wire.js';

export interface Stage extends AsyncDisposable {
  readonly belfry: Belfry;
  readonly site: Site;
  /** The way from the browser to the site. */
  readonly wire: Wire;
  /** A page of the site, by way of the wire, after signing in. */
  page(user: string, path: string): string;
}

export interface StageOptions extends Omit<BelfryOptions, 'config'>, SiteOptions {
  /** More of `belfry.toml`: whole sections. Some need the address that browsers use. */
  config?: string | ((url: string) => string);
}

/** Sets it up; take it down with `await using`. */
export async function stage(options: StageOptions = {}): Promise<Stage> {
  const site = await Site.start(options);
  const wire = await Wire.to(() => site.port);
  const { config = '' } = options;
  const belfry = await Belfry.start({
    ...options,
    config: typeof config === 'string' ? config : config(wire.url),
    origins: [site.url, wire.url, ...(options.origins ?? [])],
  });
  site.serve(belfry);
  return {
    belfry,
    site,
    wire,
    page: (user, path) => site.signIn(user, path, wire.url),
    async [Symbol.asyncDispose]() {
      await wire[Symbol.asyncDispose]();
      await site[Symbol.asyncDispose]();
      await belfry[Symbol.asyncDispose]();
    },
  };
}
