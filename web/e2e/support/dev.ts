/** `belfry dev` as the examples know it, and programs beside it. */

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createPublisher, type Publisher } from '@belfry/node';
import { freePort } from './ports.js';
import { until } from './wait.js';

const binary = process.env['BELFRY_BIN'] ?? fileURLToPath(new URL('../../../target/debug/belfry', import.meta.url));

/** A running `belfry dev`, with a data folder of its own. */
export class Dev implements AsyncDisposable {
  /** What the examples call `BELFRY_DATA_DIR`. */
  readonly folder: string;
  readonly publisher: Publisher;
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess, folder: string, publisher: Publisher) {
    this.#process = process;
    this.folder = folder;
    this.publisher = publisher;
  }

  static async start(kinds: string): Promise<Dev> {
    const [port, folder] = await Promise.all([freePort(), mkdtemp(join(tmpdir(), 'belfry-dev-'))]);
    const listen = `127.0.0.1:${port}`;
    const child = spawn(binary, ['dev', '--listen', listen, '--kinds', kinds, '--data-dir', folder], {
      cwd: folder,
      stdio: 'ignore',
    });
    await answers(child, `http://${listen}/readyz`);
    const apiKey = (await readFile(join(folder, 'api-key'), 'utf8')).trim();
    return new Dev(child, folder, createPublisher({ url: `http://${listen}`, apiKey }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await end(this.#process);
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Starts a program of an example; it is ready when this path answers. */
export async function launch(
  cwd: string,
  script: string,
  at: { port: number; path: string; env: Readonly<Record<string, string>> },
): Promise<ChildProcess> {
  const env = { PATH: process.env['PATH'], NODE_ENV: 'production', PORT: String(at.port), ...at.env };
  const child = spawn(process.execPath, [script], { cwd, env, stdio: 'ignore' });
  await answers(child, `http://127.0.0.1:${at.port}${at.path}`);
  return child;
}

/** Ends a process as a deploy does. */
export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await ended;
}

async function answers(child: ChildProcess, url: string): Promise<void> {
  await until(`${url} answers`, () => {
    if (child.exitCode !== null) throw new Error(`the process behind ${url} ended with ${child.exitCode}`);
    return fetch(url).then(
      (answer) => answer.ok,
      () => false,
    );
  });
}
