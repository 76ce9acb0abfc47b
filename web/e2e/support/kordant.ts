/** The example application for SolidStart, built and running: its own Belfry, and the cable between browser and both. */

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createPublisher, type Publisher } from '@belfry/node';
import type { Tab } from './browsers.js';
import { freePort } from './ports.js';
import { until } from './wait.js';
import { Wire } from './wire.js';

const example = fileURLToPath(new URL('../../examples/kordant-solidstart', import.meta.url));
const run = promisify(execFile);

/** Builds it where there is no build, or one of an older SDK. Takes a minute on a fresh clone. */
export async function buildKordant(): Promise<void> {
  const built = join(example, 'dist/server/entry-server.js');
  const sdk = ['client', 'elements', 'node', 'protocol', 'solid'].map((name) => `../../packages/${name}/dist`);
  const newest = Math.max(...['src', 'kinds', ...sdk].flatMap((folder) => timesIn(join(example, folder))));
  if (existsSync(built) && statSync(built).mtimeMs > newest) return;
  // The test runner's own mode is not the build's.
  const options = { cwd: example, env: { ...process.env, NODE_ENV: 'production' } };
  await run('npm', ['ci', '--include=dev'], options);
  await run('npm', ['run', 'build'], options);
}

function timesIn(folder: string): number[] {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) =>
    /\.(js|tsx?|css)$/.test(file),
  );
  return files.map((file) => statSync(join(folder, file)).mtimeMs);
}

/** The running application. */
export class Kordant implements AsyncDisposable {
  /** Where browsers reach it. */
  readonly url: string;
  readonly wire: Wire;
  readonly publisher: Publisher;
  readonly #process: ChildProcess;
  readonly #folder: string;

  private constructor(process: ChildProcess, wire: Wire, folder: string, belfry: string) {
    this.#process = process;
    this.wire = wire;
    this.url = wire.url;
    this.#folder = folder;
    const apiKey = readFileSync(join(folder, 'belfry/api-key'), 'utf8').trim();
    this.publisher = createPublisher({ url: belfry, apiKey });
  }

  /** Starts it as `npm start` does, or as `npm run dev`. */
  static async start(how: 'start' | 'dev' = 'start'): Promise<Kordant> {
    const [port, belfry, folder] = await Promise.all([freePort(), freePort(), mkdtemp(join(tmpdir(), 'kordant-'))]);
    const wire = await Wire.to(() => port);
    const program = how === 'dev' ? ['vite', 'dev', '--host', '127.0.0.1', '--strictPort'] : ['server.mjs'];
    const child = spawn(process.execPath, ['scripts/with-belfry.mjs', ...program], {
      cwd: example,
      env: {
        ...process.env,
        NODE_ENV: how === 'dev' ? 'development' : 'production',
        PORT: String(port),
        BELFRY_LISTEN: `127.0.0.1:${belfry}`,
        KORDANT_DATA: folder,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (piece: Buffer) => {
        said += piece.toString();
      });
    }
    const answers = (): Promise<boolean> =>
      fetch(`http://127.0.0.1:${port}/favicon.svg`).then(
        (answer) => answer.ok,
        () => false,
      );
    try {
      await until('Kordant answers', () => {
        if (child.exitCode !== null) throw new Error('it ended');
        return answers();
      });
    } catch (error) {
      child.kill('SIGTERM');
      throw new Error(`Kordant did not start:\n${said}`, { cause: error });
    }
    return new Kordant(child, wire, folder, `http://127.0.0.1:${belfry}`);
  }

  /** Signs in as a person would, and waits until alerts arrive. */
  async signIn(tab: Tab, person: string): Promise<void> {
    await tab.goto(this.url);
    await tab.click(`button[value="${person}"]`);
    await this.live(tab);
  }

  async live(tab: Tab): Promise<void> {
    await tab.until('the word Live', () => {
      const state = document.querySelector('belfry-connection')?.shadowRoot?.textContent;
      return state?.includes('Live') === true;
    });
  }

  async connections(): Promise<number> {
    return (await this.publisher.getConnectionStats()).connections;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode === null) {
      const ended = new Promise((resolve) => this.#process.once('exit', resolve));
      this.#process.kill('SIGTERM');
      await ended;
    }
    await this.wire[Symbol.asyncDispose]();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Lets a service find something about a person, by the page's own form. */
export async function find(tab: Tab, service: string, person: string): Promise<void> {
  await tab.evaluate(
    ([name, subject]) => {
      const card = [...document.querySelectorAll('.card')].find((one) => one.querySelector('h3')?.textContent === name);
      const choice = card?.querySelector('select');
      if (!choice) throw new Error(`no service ${name}`);
      choice.value = subject ?? '';
      card?.querySelector('form')?.requestSubmit();
    },
    [service, person],
  );
}

/** Whose account each row of the list is about, newest first. */
export function accounts(tab: Tab): Promise<(string | null)[]> {
  return tab.evaluate(() =>
    [...document.querySelectorAll('.row')].map((row) => row.querySelector('.whose')?.textContent ?? null),
  );
}

/** Titles of the toasts on the page. */
export function toasts(tab: Tab): Promise<string[]> {
  return tab.evaluate(() => [...document.querySelectorAll('.toast strong')].map((title) => title.textContent ?? ''));
}

/** The number on the bell; 0: none is shown. */
export function badge(tab: Tab): Promise<number> {
  return tab.evaluate(() => {
    const root = document.querySelector('belfry-bell')?.shadowRoot;
    return Number(root?.querySelector('[part~="badge"]')?.textContent ?? 0);
  });
}
