/** The example shop for Express and React, built and running: its own Belfry, and the cable between browser and both. */

import { type ChildProcess, execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Publisher } from '@belfry/node';
import type { Tab } from './browsers.js';
import { Dev, end, launch } from './dev.js';
import { freePort } from './ports.js';
import { Wire } from './wire.js';

const example = fileURLToPath(new URL('../../examples/flyer-deals-react', import.meta.url));

/** Builds it, and of the packages what is older than its sources. */
export async function buildFlyerDeals(): Promise<void> {
  // The test runner's own mode is not the build's.
  await promisify(execFile)('npm', ['run', 'build'], { cwd: example, env: { ...process.env, NODE_ENV: 'production' } });
}

/** The running shop. */
export class FlyerDeals implements AsyncDisposable {
  /** Where browsers reach it. */
  readonly url: string;
  readonly publisher: Publisher;
  readonly wire: Wire;
  readonly #port: number;
  readonly #dev: Dev;
  #shop: ChildProcess;

  private constructor(wire: Wire, port: number, dev: Dev, shop: ChildProcess) {
    this.wire = wire;
    this.url = wire.url;
    this.publisher = dev.publisher;
    this.#port = port;
    this.#dev = dev;
    this.#shop = shop;
  }

  static async start(): Promise<FlyerDeals> {
    const [port, dev] = await Promise.all([freePort(), Dev.start(join(example, 'kinds'))]);
    const shop = await openShop(port, dev);
    return new FlyerDeals(await Wire.to(() => port), port, dev, shop);
  }

  /** Ends the shop's process and starts it anew, as a deploy does. */
  async restartShop(): Promise<void> {
    await end(this.#shop);
    this.#shop = await openShop(this.#port, this.#dev);
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
    await this.#dev[Symbol.asyncDispose]();
  }
}

function openShop(port: number, dev: Dev): Promise<ChildProcess> {
  return launch(example, 'dist/server/main.js', { port, path: '/api/people', dev: dev.folder });
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
