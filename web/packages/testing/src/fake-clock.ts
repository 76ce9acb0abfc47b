/** A clock that stands still until a test moves it. */

import type { Clock } from '@belfry/client';

/** A `Clock` in the hands of a test. */
export interface FakeClock extends Clock {
  /** Moves time forward, runs each timer at its time, and lets promises settle in between. */
  advance(ms: number): Promise<void>;
  /** Moves the wall clock without running a timer, as a laptop that slept does. */
  jump(ms: number): void;
  /** Lets promises settle without moving time. */
  settle(): Promise<void>;
  /** How many timers wait. */
  readonly pending: number;
  /** When the next timer is due, in milliseconds from now; `null`: none waits. */
  readonly nextIn: number | null;
}

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** Makes a clock that shows `start`, by default 2026-01-01T00:00:00Z. */
export function createFakeClock(start: number | string | Date = '2026-01-01T00:00:00Z'): FakeClock {
  // Timers count in a time of their own: a jump of the wall clock does not make one due.
  let elapsed = 0;
  let offset = new Date(start).getTime();
  let order = 0;
  const timers = new Set<Timer>();

  const next = (): Timer | undefined => [...timers].sort((a, b) => a.at - b.at || a.order - b.order)[0];

  return {
    now: () => offset + elapsed,
    setTimeout(run, ms) {
      order += 1;
      const timer: Timer = { at: elapsed + Math.max(0, ms), order, run };
      timers.add(timer);
      return timer;
    },
    clearTimeout(timer) {
      timers.delete(timer as Timer);
    },
    async advance(ms) {
      const end = elapsed + ms;
      await settle();
      for (let timer = next(); timer !== undefined && timer.at <= end; timer = next()) {
        elapsed = Math.max(elapsed, timer.at);
        timers.delete(timer);
        timer.run();
        await settle();
      }
      elapsed = end;
    },
    jump(ms) {
      offset += ms;
    },
    settle,
    get pending() {
      return timers.size;
    },
    get nextIn() {
      const timer = next();
      return timer === undefined ? null : timer.at - elapsed;
    },
  };
}

/** A turn of the event loop that no fake timer can stop: every promise that can settle has settled then. */
function settle(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
