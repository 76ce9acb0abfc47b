/** The example shop for Express and React, built and running: its own Belfry, and the cable between browser and both. */

import { type ChildProcess, execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createPublisher, type Publisher } from '@belfry/node';
import { Belfry } from './belfry.js';
import type { Tab } from './browsers.js';
import { Dev, end, launch } from './dev.js';
import { freePort } from './ports.js';
import type { Relay } from './smtp.js';
import { Wire } from './wire.js';

const example = fileURLToPath(new URL('../../examples/flyer-deals-react', import.meta.url));

/** Builds it, and of the packages what is older than its sources. */
export async function buildFlyerDeals(): Promise<void> {
  // The test runner's own mode is not the build's.
  await promisify(execFile)('npm', ['run', 'build'], { cwd: example, env: { ...process.env, NODE_ENV: 'production' } });
}

type Environment = Readonly<Record<string, string>>;

/** What the shop stands in front of, and how it is told. */
interface Behind {
  readonly server: AsyncDisposable;
  readonly publisher: Publisher;
  readonly env: Environment;
}

/** The running shop. */
export class FlyerDeals implements AsyncDisposable {
  /** Where browsers reach it. */
  readonly url: string;
  readonly publisher: Publisher;
  readonly wire: Wire;
  readonly #port: number;
  readonly #server: AsyncDisposable;
  readonly #env: Environment;
  #shop: ChildProcess;

  private constructor(wire: Wire, port: number, { server, publisher, env }: Behind, shop: ChildProcess) {
    this.wire = wire;
    this.url = wire.url;
    this.publisher = publisher;
    this.#port = port;
    this.#server = server;
    this.#env = env;
    this.#shop = shop;
  }

  /** As its README says: in front of `belfry dev`. */
  static async start(): Promise<FlyerDeals> {
    const dev = await Dev.start(join(example, 'kinds'));
    const behind = { server: dev, publisher: dev.publisher, env: { BELFRY_DATA_DIR: dev.folder } };
    const port = await freePort();
    return FlyerDeals.#open(await Wire.to(() => port), port, behind);
  }

  /**
   * In front of a server that mails through this relay, and to which somebody is away at once. Mails of deals are gathered
   * for as long as `digest` says instead of an hour: the kind is the example's own in all other respects.
   */
  static async startMailing(relay: Relay, digest: string): Promise<FlyerDeals & { readonly belfry: Belfry }> {
    const port = await freePort();
    const wire = await Wire.to(() => port);
    const kinds = await kindsGathering(digest);
    const config = `[live]
linger = "0s"
linger_after_start = "0s"
[smtp]
host = "127.0.0.1"
port = ${relay.port}
tls = "none"
from = "Flyer deals <deals@shop.example>"
`;
    const belfry = await Belfry.start({ origins: [wire.url], kinds, config });
    const { url, apiKey, jwtSecret } = belfry;
    const env = { BELFRY_URL: url, BELFRY_API_KEY: apiKey, JWT_SECRET: jwtSecret };
    const shop = await FlyerDeals.#open(wire, port, {
      server: belfry,
      publisher: createPublisher({ url, apiKey }),
      env,
    });
    return Object.assign(shop, { belfry });
  }

  static async #open(wire: Wire, port: number, behind: Behind): Promise<FlyerDeals> {
    return new FlyerDeals(wire, port, behind, await openShop(port, behind.env));
  }

  /** Ends the shop's process and starts it anew, as a deploy does. */
  async restartShop(): Promise<void> {
    await end(this.#shop);
    this.#shop = await openShop(this.#port, this.#env);
  }

  /** Signs in as a person would. */
  async signIn(tab: Tab, name: string, path: string): Promise<void> {
    await tab.goto(this.url + path);
    await tab.click(`.sign-in button:text-is("${name}")`);
  }

  async live(tab: Tab): Promise<void> {
    await tab.until('the word Live', () =>
      document.querySelector('belfry-connection')?.shadowRoot?.textContent?.includes('Live'),
    );
  }

  /** From the page of the office. */
  async nextFlyer(tab: Tab): Promise<void> {
    await tab.click('section button:text-is("Next flyer")');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.wire[Symbol.asyncDispose]();
    await end(this.#shop);
    await this.#server[Symbol.asyncDispose]();
  }
}

function openShop(port: number, env: Environment): Promise<ChildProcess> {
  return launch(example, 'dist/server/main.js', { port, path: '/api/people', env });
}

/** The example's kinds, with another time for gathering mails. */
async function kindsGathering(digest: string): Promise<Record<string, string>> {
  const folder = join(example, 'kinds');
  const files = await Promise.all(
    (await readdir(folder)).map(async (name) => [name, await readFile(join(folder, name), 'utf8')] as const),
  );
  const kinds = Object.fromEntries(files);
  const deals = kinds['deal-notification.toml'] ?? '';
  const changed = deals.replace(/^digest( *)= "1h"/m, `digest$1= "${digest}"`);
  if (changed === deals) throw new Error('deals are not gathered for an hour any more');
  return { ...kinds, 'deal-notification.toml': changed };
}

/** The text of each toast of the page's own toasts. */
export function toasts(tab: Tab): Promise<string[]> {
  return tab.evaluate(() => {
    const region = document.querySelector('belfry-toast-region')?.shadowRoot;
    return [...(region?.querySelectorAll('[part~=toast]') ?? [])].map((toast) => toast.textContent ?? '');
  });
}

/** The number on the bell; 0: none is shown. */
export function badge(tab: Tab): Promise<number> {
  return tab.evaluate(() => {
    const root = document.querySelector('belfry-bell')?.shadowRoot;
    return Number(root?.querySelector('[part~=badge]')?.textContent ?? 0);
  });
}

/** The words of the banner for everyone; empty: there is none. */
export function banner(tab: Tab): Promise<string> {
  return tab.evaluate(() => {
    const root = document.querySelector('belfry-announcement')?.shadowRoot;
    return root?.querySelector('[part~=announcement] [part=body]')?.textContent ?? '';
  });
}
