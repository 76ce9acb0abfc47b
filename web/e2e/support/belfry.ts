/** The real binary, on a port and in a folder of its own. */

import { type ChildProcess, spawn } from 'node:child_process';
import { createHmac, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AlertAnswer, AlertTrace, DeliveryTrace, InboxPage, NewAlert, Stats, UserDevices } from '@belfry/protocol';
import { freePort } from './ports.js';
import { until } from './wait.js';

const BINARY = process.env['BELFRY_BIN'] ?? new URL('../../../target/debug/belfry', import.meta.url).pathname;

export interface BelfryOptions {
  /** Origins of pages that may call with a cookie. */
  origins?: readonly string[];
  /** More of `belfry.toml`: whole sections. */
  config?: string;
  /** Files of kinds, by their names. */
  kinds?: Readonly<Record<string, string>>;
}

/** Who calls: a user by name, or the back end. */
type Caller = { user: string } | 'backend';

/** A running server and what a back end does with it. */
export class Belfry {
  readonly url: string;
  readonly port: number;
  readonly folder: string;
  readonly #options: BelfryOptions;
  #secret = newSecret();
  /** With every scope. */
  readonly apiKey = `bk_${randomBytes(32).toString('base64url')}`;
  #process: ChildProcess | null = null;
  #log = '';

  private constructor(port: number, folder: string, options: BelfryOptions) {
    this.#options = options;
    this.port = port;
    this.folder = folder;
    this.url = `http://127.0.0.1:${port}`;
  }

  static async start(options: BelfryOptions = {}): Promise<Belfry> {
    const [port, folder] = await Promise.all([freePort(), mkdtemp(join(tmpdir(), 'belfry-e2e-'))]);
    const belfry = new Belfry(port, folder, options);
    await belfry.#configure();
    await belfry.launch();
    return belfry;
  }

  async #configure(): Promise<void> {
    const options = this.#options;
    const kinds = Object.entries(options.kinds ?? {});
    await mkdir(join(this.folder, 'kinds'), { recursive: true });
    for (const [name, text] of kinds) await writeFile(join(this.folder, 'kinds', name), text);
    await writeFile(
      join(this.folder, 'belfry.toml'),
      `[server]
listen = "127.0.0.1:${this.port}"
data_dir = "data"
[auth]
jwt_secret = "${this.#secret}"
allowed_origins = ${JSON.stringify([this.url, ...(options.origins ?? [])])}
[[api_keys]]
name = "e2e"
scopes = ["publish", "manage", "operate"]
key = "${this.apiKey}"
${kinds.length ? '[kinds]\ndir = "kinds"\n' : ''}${options.config ?? ''}`,
    );
  }

  /** Starts the process, on the same port and data as before, and waits until it is ready. */
  async launch(): Promise<void> {
    const child = spawn(BINARY, ['serve', '--config', join(this.folder, 'belfry.toml')], {
      cwd: this.folder,
      env: { PATH: process.env['PATH'], HOME: this.folder },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#process = child;
    const note = (chunk: Buffer): void => {
      this.#log = (this.#log + chunk.toString()).slice(-20_000);
    };
    child.stdout?.on('data', note);
    child.stderr?.on('data', note);
    await until('the server is ready', async () => {
      if (child.exitCode !== null) throw new Error(`the server did not start:\n${this.#log}`);
      return fetch(`${this.url}/readyz`).then(
        (answer) => answer.ok,
        () => false,
      );
    });
  }

  /** Ends it without a word, as a crash does. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** Ends it as a deploy does: clients are told. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  /** Every token that was issued so far means nothing from here on. */
  async restartWithAnotherSecret(): Promise<void> {
    await this.kill();
    this.#secret = newSecret();
    await this.#configure();
    await this.launch();
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** What the server said last. */
  get log(): string {
    return this.#log;
  }

  /** What the application signs its tokens with. */
  get jwtSecret(): string {
    return this.#secret;
  }

  /** A token as the application would sign it. */
  token(user: string, expiresInSeconds = 3_600): string {
    const now = Math.floor(Date.now() / 1_000);
    const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: user, iat: now, exp: now + expiresInSeconds })}`;
    return `${text}.${createHmac('sha256', this.#secret).update(text).digest('base64url')}`;
  }

  async call<T>(caller: Caller, method: string, path: string, body?: unknown): Promise<T> {
    const credential = caller === 'backend' ? this.apiKey : this.token(caller.user);
    const answer = await fetch(this.url + path, {
      method,
      headers: { authorization: `Bearer ${credential}`, ...(body ? { 'content-type': 'application/json' } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return (text ? JSON.parse(text) : undefined) as T;
  }

  /** Posts an alert and returns its id. */
  async publish(to: string | NewAlert['to'], alert: Partial<NewAlert> & { title: string }): Promise<string> {
    const whole = { kind: 'note', data: {}, ...alert, to: typeof to === 'string' ? { user: to } : to };
    return (await this.call<AlertAnswer>('backend', 'POST', '/v1/alerts', whole)).id;
  }

  async trace(id: string): Promise<AlertTrace['trace'][number]> {
    const { trace } = await this.call<AlertTrace>('backend', 'GET', `/v1/alerts/${id}`);
    const [first] = trace;
    if (!first) throw new Error(`alert ${id} has no recipient`);
    return first;
  }

  /** The steps of an alert's fallback; `null`: there was none. */
  async delivery(id: string): Promise<DeliveryTrace | null> {
    return (await this.trace(id)).delivery ?? null;
  }

  /** Where pushes to a user go. */
  async devices(user: string): Promise<UserDevices['devices']> {
    return (await this.call<UserDevices>('backend', 'GET', `/v1/users/${user}/devices`)).devices;
  }

  stats(): Promise<Stats> {
    return this.call('backend', 'GET', '/v1/stats');
  }

  /** Open sockets and event streams. */
  async connections(user: string): Promise<number> {
    return (await this.call<{ connections: number }>('backend', 'GET', `/v1/users/${user}`)).connections;
  }

  inbox(user: string, query = ''): Promise<InboxPage> {
    return this.call({ user }, 'GET', `/v1/inbox${query}`);
  }

  async unread(user: string): Promise<number> {
    return (await this.call<{ unread: number }>({ user }, 'GET', '/v1/inbox/unread-count')).unread;
  }
}

function newSecret(): string {
  return randomBytes(48).toString('base64url');
}
