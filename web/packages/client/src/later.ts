/** A part that is loaded when it is needed. What is asked of it before waits, and happens in the order it was asked. */

import { asFailure, failure, handled, isFailure } from './failure.js';
import type { Unsubscribe } from './types.js';

export interface Later<T> {
  /** `undefined`: not here yet. */
  readonly now: T | undefined;
  load(): Promise<T>;
  /** At once, or once it is here; does not load it. */
  when(run: (part: T) => void): void;
  /** The same, and loads it. */
  ask<R>(run: (part: T) => R | Promise<R>): Promise<R>;
  /** Adds what can be taken back, also while it waits. */
  add(add: (part: T) => Unsubscribe): Unsubscribe;
}

export function createLater<T>(load: () => Promise<T>): Later<T> {
  const waiting: ((part: T) => void)[] = [];
  let flight: Promise<T> | undefined;
  const begin = async (): Promise<T> => {
    try {
      const part = await load();
      later.now = part;
      for (const run of waiting.splice(0)) run(part);
      return part;
    } catch (error) {
      // The next one who needs it tries again.
      flight = undefined;
      if (isFailure(error)) throw error;
      // After a deploy that took the old files away only another visit helps.
      const { message } = asFailure(error, 'request-failed');
      throw failure('request-failed', `${message}; reload the page if this stays so`, {
        retryable: true,
        cause: error,
      });
    }
  };
  const later: { -readonly [K in keyof Later<T>]: Later<T>[K] } = {
    now: undefined,
    load: () => {
      flight ??= begin();
      return flight;
    },
    when(run) {
      if (later.now) run(later.now);
      else waiting.push(run);
    },
    ask: (run) =>
      handled(
        new Promise((resolve, reject) => {
          later.when((part) => resolve((async () => run(part))()));
          later.load().catch(reject);
        }),
      ),
    add(add) {
      let stop: Unsubscribe | undefined;
      let gone = false;
      later.when((part) => {
        if (!gone) stop = add(part);
      });
      return () => {
        gone = true;
        stop?.();
      };
    },
  };
  return later;
}
