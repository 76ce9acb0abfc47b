/** A clock whose waits are written down and over at once; deadlines of calls are left alone. */

import type { Clock } from '../../src/index.js';

export interface Waits extends Clock {
  /** Each wait between two tries, in milliseconds. */
  readonly waited: readonly number[];
}

/** `deadlineMs`: the timeout the publisher under test was given; a timer of that length is a real one. */
export function noWaiting(...deadlineMs: readonly number[]): Waits {
  const waited: number[] = [];
  return {
    waited,
    setTimeout(run, ms) {
      if (deadlineMs.includes(ms)) return setTimeout(run, ms);
      waited.push(ms);
      return setImmediate(run);
    },
    clearTimeout(timer) {
      clearTimeout(timer as NodeJS.Timeout);
      clearImmediate(timer as NodeJS.Immediate);
    },
  };
}
