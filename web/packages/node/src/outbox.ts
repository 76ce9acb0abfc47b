/** Alerts on their way to Belfry, for callers that do not wait: in order, bounded, never throwing. */

import { BelfryError } from './error.js';
import { idempotencyKeyOf } from './kinds.js';
import type { BatchEntry, Publisher } from './publisher.js';
import type { Clock } from './transport.js';

/** What an outbox is made of. */
export interface OutboxParts {
  /** Made at the first alert. Throws where it cannot be configured. */
  readonly publisher: () => Publisher;
  readonly log: (message: string) => void;
  readonly clock: Clock;
  readonly random: () => number;
  readonly limits: OutboxLimits;
}

/** How much may wait. */
export interface OutboxLimits {
  /** While Belfry is away: beyond it a new alert takes the oldest one's place. */
  readonly away: number;
  /** While Belfry takes them, for a loop that publishes faster than a request goes out. */
  readonly burst: number;
}

/** The usual limits. */
export const usualOutboxLimits: OutboxLimits = { away: 1_000, burst: 50_000 };

interface Waiting {
  readonly entry: BatchEntry;
  failures: number;
}

const WAITS_MS = [1_000, 2_000, 5_000, 10_000, 30_000];
const REQUEST_LINES = 500;
/** A fault of the server's own may be the alert's doing: it is not repeated for ever. */
const TRIES_AT_A_SERVER_FAULT = 5;

/** Takes alerts and sees that they get there. */
export class Outbox {
  readonly #parts: OutboxParts;
  readonly #said = new Set<string>();
  #publisher: Publisher | null = null;
  #sending: Waiting[] = [];
  #waiting: Waiting[] = [];
  #timer: unknown = null;
  #running: Promise<void> | null = null;
  /** Requests that failed in a row: Belfry is away. */
  #failures = 0;
  #dropped = 0;
  #closed = false;

  constructor(parts: OutboxParts) {
    this.#parts = parts;
  }

  /** How many are not on Belfry's disk yet. */
  get size(): number {
    return this.#sending.length + this.#waiting.length;
  }

  /** Takes an alert. Returns at once. */
  push(entry: BatchEntry): void {
    if (this.#closed || this.#publisherOrNull() === null) return;
    const { away, burst } = this.#parts.limits;
    if (this.size >= (this.#failures > 0 ? away : burst)) this.#dropOldest();
    // The key is chosen now: a request whose answer was lost is repeated with the same one.
    this.#waiting.push({ entry: { ...entry, idempotency_key: idempotencyKeyOf(entry) }, failures: 0 });
    if (this.#timer === null) this.#start();
  }

  /** Tries once more at once, and takes nothing more. Resolves when nothing waits, or this try failed. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer !== null) this.#parts.clock.clearTimeout(this.#timer);
    this.#timer = null;
    await this.#running;
    if (this.size > 0) await this.#start();
    if (this.size > 0) this.#parts.log(`Belfry was away at shutdown: ${this.size} alerts were not published`);
    this.#waiting = [];
  }

  #start(): Promise<void> {
    // Begins in a turn of its own, so that a loop of publishes goes out in one request.
    this.#running ??= Promise.resolve()
      .then(() => this.#drain())
      .finally(() => {
        this.#running = null;
        // What was pushed while the last request ended found it still running.
        if (this.#waiting.length > 0 && this.#timer === null && !this.#closed) void this.#start();
      });
    return this.#running;
  }

  async #drain(): Promise<void> {
    const publisher = this.#publisherOrNull();
    while (publisher !== null && this.#waiting.length > 0) {
      this.#sending = this.#waiting.splice(0, REQUEST_LINES);
      const error = await this.#send(publisher);
      this.#waiting = [...this.#sending, ...this.#waiting];
      this.#sending = [];
      if (error === null) this.#back();
      else return this.#away(error);
    }
  }

  /** One request. What is done leaves `#sending`; the error that stopped the rest is answered. */
  async #send(publisher: Publisher): Promise<BelfryError | null> {
    const batch = this.#sending.map((one) => one.entry);
    try {
      for await (const outcome of publisher.publishBatch(batch)) {
        const first = this.#sending[0];
        if (!outcome.ok && first !== undefined && keeps(outcome.error, first)) return outcome.error;
        if (!outcome.ok) this.#once(`refused:${outcome.error.code}`, refusal(outcome.error, first));
        this.#sending.shift();
      }
      return null;
    } catch (error) {
      return new BelfryError('unavailable', String(error), { retryable: true, cause: error });
    }
  }

  #away(error: BelfryError): void {
    this.#once('away', `Belfry is away, alerts wait: ${error.message}`);
    const wait = WAITS_MS[Math.min(this.#failures, WAITS_MS.length - 1)] ?? 30_000;
    this.#failures += 1;
    if (this.#closed) return;
    // Half of it by chance: several processes do not come back together.
    const timer = this.#parts.clock.setTimeout(
      () => {
        this.#timer = null;
        void this.#start();
      },
      wait * (0.5 + this.#parts.random() / 2),
    );
    this.#timer = timer;
    // What waits does not keep a process alive that has nothing else to do.
    if (timer instanceof Object && 'unref' in timer && typeof timer.unref === 'function') timer.unref();
  }

  #back(): void {
    if (this.#failures === 0) return;
    this.#failures = 0;
    const lost = this.#dropped === 0 ? '' : `; ${this.#dropped} of the oldest had to be dropped`;
    this.#parts.log(`Belfry is back${lost}`);
    this.#dropped = 0;
    this.#said.delete('away');
    this.#said.delete('full');
  }

  #dropOldest(): void {
    if (this.#waiting.shift() === undefined) return;
    this.#dropped += 1;
    this.#once('full', 'too many alerts wait for Belfry: the oldest are dropped');
  }

  #publisherOrNull(): Publisher | null {
    if (this.#publisher !== null) return this.#publisher;
    try {
      this.#publisher = this.#parts.publisher();
    } catch (error) {
      this.#once('misconfigured', `alerts are not published: ${error instanceof Error ? error.message : error}`);
    }
    return this.#publisher;
  }

  #once(what: string, message: string): void {
    if (this.#said.has(what)) return;
    this.#said.add(what);
    this.#parts.log(message);
  }
}

/** Whether the alert stays: somebody has to correct something, but not the alert. */
function keeps(error: BelfryError, waiting: Waiting): boolean {
  if (error.retryable || error.status === 401 || error.status === 403) return true;
  if (error.code === 'answer-unexpected') return true;
  if ((error.status ?? 0) < 500) return false;
  waiting.failures += 1;
  return waiting.failures < TRIES_AT_A_SERVER_FAULT;
}

function refusal(error: BelfryError, waiting: Waiting | undefined): string {
  const faults = error.errors.map((fault) => ` ${fault.pointer} ${fault.detail}`).join(';');
  return `Belfry refused an alert of kind \`${waiting?.entry.kind}\` (${error.code}): ${error.message}${faults}`;
}
