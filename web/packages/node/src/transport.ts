/** Calls to the server: one try under a timeout, and its repetition where that is safe. */

import { BelfryError, misconfigured } from './error.js';
import { delayAfter, isTransient, type RetryPolicy, retryAfterMs } from './retry.js';

/** What the publisher needs of a clock. */
export interface Clock {
  setTimeout(run: () => void, ms: number): unknown;
  clearTimeout(timer: unknown): void;
}

/** What a transport is made of. */
export interface TransportOptions {
  readonly base: URL;
  readonly apiKey: string;
  readonly fetch: typeof fetch;
  readonly timeoutMs: number;
  readonly retry: RetryPolicy;
  readonly clock: Clock;
  readonly random: () => number;
}

/** One call, ready to be sent again. */
export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: readonly string[];
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly body?: string;
  readonly contentType?: string;
  /** A person's token in place of the API key. */
  readonly token?: string;
  readonly signal?: AbortSignal | undefined;
}

/** A whole answer. */
export interface Answer {
  readonly body: unknown;
  readonly headers: Headers;
}

/** A streamed answer. */
export interface Streamed {
  /** The next piece; `null` at the end. Rejects with a retryable error where it breaks off or pauses too long. */
  read(): Promise<Uint8Array | null>;
  cancel(): void;
}

/** Sends calls to one server with one key. */
export class Transport {
  readonly #options: TransportOptions;

  constructor(options: TransportOptions) {
    this.#options = options;
  }

  /** Sends until there is a whole answer. */
  async call(call: Call): Promise<Answer> {
    let failures = 0;
    for (;;) {
      try {
        return await this.#try(call, async (response) => {
          const text = await response.text();
          return { body: parse(text, response.status), headers: response.headers };
        });
      } catch (error) {
        failures += 1;
        await this.pause(error, failures, call.signal);
      }
    }
  }

  /** One try: a good status, and the body a piece at a time. Each piece has the timeout to itself, three times. */
  async stream(call: Call): Promise<Streamed> {
    const abort = new AbortController();
    const response = await this.#try({ ...call, signal: either(call.signal, abort.signal) }, async (begun) => begun);
    const reader = response.body?.getReader();
    return {
      read: async () => {
        if (reader === undefined) return null;
        const chunk = await this.#withTimeout(this.#options.timeoutMs * 3, call.signal, () => reader.read());
        return chunk.done ? null : chunk.value;
      },
      cancel: () => abort.abort(),
    };
  }

  /** Waits before the next try, or throws where there is none. */
  async pause(error: unknown, failures: number, signal?: AbortSignal): Promise<void> {
    if (!(error instanceof BelfryError) || !error.retryable) throw error;
    const { retry, random } = this.#options;
    const wait = delayAfter(retry, failures, error.retryAfterMs, random());
    if (wait === null) throw error.after(failures);
    await this.#sleep(wait, signal);
  }

  #sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
    const { clock } = this.#options;
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        clock.clearTimeout(timer);
        reject(aborted(signal));
      };
      const timer = clock.setTimeout(() => {
        signal?.removeEventListener('abort', stop);
        resolve();
      }, ms);
      if (isAborted(signal)) stop();
      else signal?.addEventListener('abort', stop, { once: true });
    });
  }

  async #try<T>(call: Call, read: (response: Response) => Promise<T>): Promise<T> {
    return await this.#withTimeout(this.#options.timeoutMs, call.signal, async (signal) => {
      const response = await this.#send(call, signal);
      if (response.ok) return await read(response);
      throw judge(response.status, response.headers.get('retry-after'), await response.text());
    });
  }

  async #send(call: Call, signal: AbortSignal): Promise<Response> {
    const headers: Record<string, string> = { Authorization: `Bearer ${call.token ?? this.#options.apiKey}` };
    if (call.body !== undefined) headers['Content-Type'] = call.contentType ?? 'application/json';
    return await this.#options.fetch(this.#url(call), {
      method: call.method,
      headers,
      body: call.body ?? null,
      signal: either(call.signal, signal),
      // A redirect of a POST would turn into a GET and lose the alert without a word.
      redirect: 'manual',
    });
  }

  #url(call: Call): URL {
    const url = new URL(this.#options.base);
    const prefix = url.pathname.replace(/\/$/, '');
    url.pathname = [prefix, ...call.path.map(segment)].join('/');
    for (const [name, value] of Object.entries(call.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, value);
    }
    return url;
  }

  /** Runs one thing under a deadline. What it throws becomes a `BelfryError` that says whether to try again. */
  async #withTimeout<T>(
    ms: number,
    outer: AbortSignal | undefined,
    run: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    if (isAborted(outer)) throw aborted(outer);
    const { clock } = this.#options;
    const deadline = new AbortController();
    let over: () => void = () => {};
    // Raced as well: a fetch that ignores its signal must not hold the caller for ever.
    const expired = new Promise<never>((_, reject) => {
      over = () => reject(unavailable(`no answer within ${ms} ms`));
    });
    const timer = clock.setTimeout(() => {
      deadline.abort();
      over();
    }, ms);
    try {
      return await Promise.race([run(deadline.signal), expired]);
    } catch (error) {
      if (error instanceof BelfryError) throw error;
      if (isAborted(outer)) throw aborted(outer);
      throw unavailable(rootCause(error), error);
    } finally {
      clock.clearTimeout(timer);
    }
  }
}

/** Reads a base URL: `http(s)://host[:port][/prefix]`; `ws(s)://` is understood as the same. */
export function parseBase(text: string): URL {
  const refuse = (why: string): BelfryError => misconfigured(`\`${text}\` is no server address: ${why}`);
  if (!/^(https?|wss?):\/\//.test(text)) throw refuse('it begins with `http://` or `https://`');
  let url: URL;
  try {
    url = new URL(text.replace(/^ws/, 'http'));
  } catch {
    throw refuse('it is no URL');
  }
  if (url.search !== '' || url.hash !== '') throw refuse('it has no query and no fragment');
  if (url.username !== '' || url.password !== '') {
    throw misconfigured('a server address carries no user name and no password');
  }
  return url;
}

/** What a bad status says: refused, or not now. */
function judge(status: number, hint: string | null, text: string): BelfryError {
  const retryable = isTransient(status);
  const init = { status, retryable, retryAfterMs: retryAfterMs(hint) };
  const problem = BelfryError.fromProblem(tryParse(text), init);
  if (problem !== null) return problem;
  if (retryable) return new BelfryError('unavailable', `HTTP ${status}`, init);
  return new BelfryError('answer-unexpected', `HTTP ${status}: ${text.slice(0, 200)}`, init);
}

function parse(text: string, status: number): unknown {
  if (text === '') return null;
  const body = tryParse(text);
  if (body !== undefined) return body;
  throw new BelfryError('answer-unexpected', `the answer is no JSON: ${text.slice(0, 200)}`, { status });
}

function tryParse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** URLs have no segment of one or two dots, whatever the encoding. */
function segment(id: string): string {
  if (id === '' || id === '.' || id === '..') throw misconfigured(`the id \`${id}\` cannot stand in a path`);
  return encodeURIComponent(id);
}

function unavailable(message: string, cause?: unknown): BelfryError {
  return new BelfryError('unavailable', message, { retryable: true, cause });
}

function aborted(signal: AbortSignal | undefined): BelfryError {
  return new BelfryError('aborted', 'the call was aborted', { cause: signal?.reason });
}

function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}

function either(outer: AbortSignal | undefined, inner: AbortSignal): AbortSignal {
  return outer === undefined ? inner : AbortSignal.any([outer, inner]);
}

/** `fetch failed` says nothing; the reason lies at the bottom. */
function rootCause(error: unknown): string {
  let deepest = error;
  while (deepest instanceof Error && deepest.cause instanceof Error) deepest = deepest.cause;
  if (!(deepest instanceof Error)) return String(deepest);
  const code = (deepest as { code?: unknown }).code;
  return deepest.message !== '' ? deepest.message : String(code ?? deepest.name);
}
