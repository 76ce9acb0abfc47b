/** Many alerts in few requests: NDJSON there, NDJSON back, one outcome per alert in their order. */

import type { BatchResult } from '@belfry/protocol';
import { BelfryError, misconfigured } from './error.js';
import type { Receipt } from './kinds.js';
import { isTransient } from './retry.js';
import type { Call, Clock, Streamed, Transport } from './transport.js';

/** What became of one alert of a batch. */
export type BatchOutcome =
  | { readonly index: number; readonly ok: true; readonly receipt: Omit<Receipt, 'replayed'> }
  | { readonly index: number; readonly ok: false; readonly error: BelfryError };

/** How a batch is cut into requests. */
export interface BatchLimits {
  /** Most lines of one request. */
  readonly lines: number;
  /** Most bytes of one request. */
  readonly bytes: number;
  /** A request goes out with what it has when the source gives nothing for this long. */
  readonly lingerMs: number;
}

/** What a batch needs. */
export interface BatchParts {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly limits: BatchLimits;
  readonly signal?: AbortSignal | undefined;
  /** One line on its own, repeated like any publish. */
  readonly alone: (body: string) => Promise<Receipt>;
}

/**
 * Publishes what a source gives. Each line has an idempotency key, so a broken request is repeated without making a
 * second alert.
 */
export async function* runBatch<T>(
  source: Iterable<T> | AsyncIterable<T>,
  encode: (alert: T) => string,
  parts: BatchParts,
): AsyncGenerator<BatchOutcome, void, undefined> {
  const lines = new Lines(source, encode, parts);
  let index = 0;
  try {
    for (let next = await lines.take(); next.length > 0; next = await lines.take()) {
      const request = new Request(parts, next);
      try {
        for (const line of next) {
          yield await outcomeOf(request, line, index, parts);
          index += 1;
        }
      } finally {
        request.cancel();
      }
    }
  } finally {
    await lines.close();
  }
}

/** A line as it goes out, or why it cannot. */
type Line = { readonly json: string } | { readonly error: BelfryError };

async function outcomeOf(request: Request, line: Line, index: number, parts: BatchParts): Promise<BatchOutcome> {
  try {
    if ('error' in line) throw line.error;
    const { status, alert, problem } = await request.result();
    if (alert !== undefined) return { index, ok: true, receipt: alert };
    // The server was short of something for this line alone: on its own it is repeated like any publish.
    if (isTransient(status)) return { index, ok: true, receipt: await parts.alone(line.json) };
    throw BelfryError.fromProblem(problem) ?? unexpected(`line ${index + 1} has neither alert nor problem`);
  } catch (error) {
    if (error instanceof BelfryError) return { index, ok: false, error };
    throw error;
  }
}

/** Takes lines from a source, as many as fit into one request. */
class Lines<T> {
  readonly #iterator: Iterator<T> | AsyncIterator<T>;
  readonly #encode: (alert: T) => string;
  readonly #parts: BatchParts;
  /** The source was asked and has not answered yet. */
  #asked: Promise<IteratorResult<T>> | null = null;
  #heldBack: Line | null = null;
  #done = false;

  constructor(source: Iterable<T> | AsyncIterable<T>, encode: (alert: T) => string, parts: BatchParts) {
    this.#iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
    this.#encode = encode;
    this.#parts = parts;
  }

  async take(): Promise<readonly Line[]> {
    const { lines: most, bytes: mostBytes } = this.#parts.limits;
    const taken: Line[] = [];
    let bytes = 0;
    while (taken.length < most) {
      const line = this.#heldBack ?? (await this.#next(taken.length > 0));
      this.#heldBack = null;
      if (line === null) break;
      bytes += 'json' in line ? Buffer.byteLength(line.json) + 1 : 0;
      if (bytes > mostBytes && taken.length > 0) {
        this.#heldBack = line;
        break;
      }
      taken.push(line);
    }
    return taken;
  }

  async close(): Promise<void> {
    if (!this.#done) await this.#iterator.return?.();
    this.#done = true;
  }

  /** The next line; `null` at the end, or where the source is slow and others wait to go out. */
  async #next(othersWait: boolean): Promise<Line | null> {
    if (this.#done) return null;
    this.#asked ??= Promise.resolve(this.#iterator.next());
    const result = othersWait ? await this.#orSlow(this.#asked) : await this.#asked;
    if (result === null) return null;
    this.#asked = null;
    if (result.done === true) {
      this.#done = true;
      return null;
    }
    try {
      return { json: this.#encode(result.value) };
    } catch (error) {
      return { error: misconfigured('the alert has no JSON form', error) };
    }
  }

  async #orSlow(asked: Promise<IteratorResult<T>>): Promise<IteratorResult<T> | null> {
    const { clock, limits } = this.#parts;
    let timer: unknown;
    const slow = new Promise<null>((resolve) => {
      timer = clock.setTimeout(() => resolve(null), limits.lingerMs);
    });
    try {
      return await Promise.race([asked, slow]);
    } finally {
      clock.clearTimeout(timer);
    }
  }
}

/** One request of a batch: sent at its first result, and again for all lines without one where the answer breaks off. */
class Request {
  readonly #parts: BatchParts;
  readonly #lines: readonly string[];
  /** Lines that have their result. */
  #answered = 0;
  #answer: AnswerLines | null = null;
  #failures = 0;
  /** The request failed for good: so did all its lines without a result. */
  #failed: BelfryError | null = null;

  constructor(parts: BatchParts, lines: readonly Line[]) {
    this.#parts = parts;
    this.#lines = lines.flatMap((line) => ('json' in line ? [line.json] : []));
  }

  async result(): Promise<BatchResult> {
    if (this.#failed !== null) throw this.#failed;
    try {
      return await this.#result();
    } catch (error) {
      if (error instanceof BelfryError) this.#failed = error;
      throw error;
    }
  }

  cancel(): void {
    this.#answer?.cancel();
    this.#answer = null;
  }

  async #result(): Promise<BatchResult> {
    for (;;) {
      try {
        this.#answer ??= new AnswerLines(await this.#parts.transport.stream(this.#call()));
        const result = await this.#answer.next();
        // The answer makes headway: whatever failed before is over.
        this.#failures = 0;
        this.#answered += 1;
        return result;
      } catch (error) {
        this.cancel();
        this.#failures += 1;
        await this.#parts.transport.pause(error, this.#failures, this.#parts.signal);
      }
    }
  }

  #call(): Call {
    const body = this.#lines.slice(this.#answered).join('\n');
    return {
      method: 'POST',
      path: ['v1', 'alerts', 'batch'],
      body: `${body}\n`,
      contentType: 'application/x-ndjson',
      signal: this.#parts.signal,
    };
  }
}

/** Reads an answer line by line. */
class AnswerLines {
  readonly #streamed: Streamed;
  readonly #decoder = new TextDecoder();
  #buffer = '';
  #line = 0;

  constructor(streamed: Streamed) {
    this.#streamed = streamed;
  }

  cancel(): void {
    this.#streamed.cancel();
  }

  async next(): Promise<BatchResult> {
    const text = await this.#text();
    this.#line += 1;
    const result = readResult(text);
    if (result === null) throw unexpected(`line ${this.#line} of the answer is no result: ${text.slice(0, 200)}`);
    // A result for another line would make one alert answer for another.
    if (result.line !== this.#line) throw unexpected(`a result for line ${result.line} instead of ${this.#line}`);
    return result;
  }

  async #text(): Promise<string> {
    for (;;) {
      const end = this.#buffer.indexOf('\n');
      if (end >= 0) {
        const line = this.#buffer.slice(0, end);
        this.#buffer = this.#buffer.slice(end + 1);
        if (line.trim() !== '') return line;
        continue;
      }
      const piece = await this.#streamed.read();
      if (piece === null) {
        // A line without its end may be half a line.
        throw new BelfryError('unavailable', 'the answer ended before the last result', { retryable: true });
      }
      this.#buffer += this.#decoder.decode(piece, { stream: true });
    }
  }
}

function readResult(text: string): BatchResult | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && 'line' in value ? (value as BatchResult) : null;
  } catch {
    return null;
  }
}

function unexpected(message: string): BelfryError {
  return new BelfryError('answer-unexpected', message, { status: 200 });
}
