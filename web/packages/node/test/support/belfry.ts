/** The real server for a test: own port, own folder, gone afterwards. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

const fromRepository = fileURLToPath(new URL('../../../../../target/debug/belfry', import.meta.url));
const environment = process.env;
const binary = environment['BELFRY_BIN'] ?? fromRepository;

export interface BelfryServer {
  readonly url: string;
  readonly apiKey: string;
  token(user: string): string;
  stop(): Promise<void>;
  /** Again, on the same port, with the same data. */
  start(): Promise<void>;
}

export interface BelfryServerOptions {
  /** Folder with kind files. */
  kinds?: string;
  /** Further configuration. */
  env?: Readonly<Record<string, string>>;
}

/** Starts `belfry dev`, and ends it with the test. Fails where there is no binary: nothing is skipped in silence. */
export async function startBelfry(options: BelfryServerOptions = {}): Promise<BelfryServer> {
  if (!existsSync(binary)) {
    throw new Error(`these tests need the server at ${binary}: run \`cargo build\`, or set BELFRY_BIN`);
  }
  const home = mkdtempSync(join(tmpdir(), 'belfry-node-'));
  const data = join(home, 'data');
  let listen = '127.0.0.1:0';
  let process: ChildProcess | null = null;

  const start = async (): Promise<void> => {
    const kinds = options.kinds === undefined ? [] : ['--kinds', options.kinds];
    const args = ['dev', '--listen', listen, '--data-dir', data, ...kinds];
    process = spawn(binary, args, {
      cwd: home,
      env: { PATH: environment['PATH'], ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    listen = await addressOf(process);
  };
  const stop = async (): Promise<void> => {
    const running = process;
    process = null;
    if (running === null || running.exitCode !== null) return;
    const ended = new Promise((resolve) => running.once('exit', resolve));
    running.kill('SIGTERM');
    await ended;
  };

  onTestFinished(async () => {
    await stop();
    rmSync(home, { recursive: true, force: true });
  });
  await start();
  return {
    url: `http://${listen}`,
    apiKey: readFileSync(join(data, 'api-key'), 'utf8').trim(),
    token: (user) =>
      execFileSync(binary, ['token', '--user', user, '--data-dir', data], { cwd: home, encoding: 'utf8' }).trim(),
    start,
    stop,
  };
}

/** Waits for the line in which the server says where it listens. */
function addressOf(process: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = '';
    const read = (piece: Buffer): void => {
      said += piece.toString();
      const address = /running on http:\/\/(127\.0\.0\.1:\d+)/.exec(said)?.[1];
      if (address !== undefined) resolve(address);
    };
    process.stdout?.on('data', read);
    process.stderr?.on('data', read);
    process.once('exit', (code) => reject(new Error(`the server ended with ${code}: ${said}`)));
  });
}
