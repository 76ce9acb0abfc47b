/** The locks of a tab: its own, that of the lead, and those of the others, which tell when they are gone. */

import { attempt } from '../browser.js';
import type { LockSeam, TabsOptions } from './seams.js';

/** What comes of them. */
export interface LockEvents {
  granted(): void;
  /** Another tab took the lead away. */
  lost(): void;
  /** That tab is gone. */
  gone(tab: string): void;
  /** This browser, or this frame, refuses locks. */
  refused(): void;
}

export interface Locks {
  /** Holds the lock of this tab and queues for the lead; `refused` where there are no locks. */
  enter(tab: string): void;
  /** Lets go of the lead and queues again. */
  queue(): void;
  /** Takes the lead from whoever has it, where `still` says so once no other tab is at it. */
  steal(still: () => boolean): void;
  /** In the leader: waits for that tab's end. */
  watch(tab: string): void;
  /** Lets go of everything; resolves when the lead is free. */
  exit(): Promise<void>;
}

/** When a signal has aborted. */
const ended = (signal: AbortSignal): Promise<void> =>
  new Promise((done) => {
    if (signal.aborted) done();
    else signal.addEventListener('abort', () => done());
  });

/** Requests nothing before `enter`. */
export function createLocks(options: TabsOptions, events: LockEvents): Locks {
  const { name } = options;
  let locks: LockSeam;
  let life = new AbortController();
  let lead = new AbortController();
  let leadFree: Promise<void> = Promise.resolve();
  let watched = new Set<string>();
  let stealBlocked = false;

  /** Holds a lock until `until` aborts. */
  const hold = async (lock: string, until: AbortSignal, steal: boolean, granted?: () => void): Promise<void> => {
    let had = false;
    try {
      await locks.request(lock, steal ? { steal } : { signal: until }, () => {
        had = true;
        if (!until.aborted) granted?.();
        return ended(until);
      });
    } catch {
      if (until.aborted) return;
      if (had) events.lost();
      else events.refused();
    }
  };
  const queue = (steal: boolean, granted?: () => void): void => {
    lead.abort();
    lead = new AbortController();
    watched = new Set();
    leadFree = hold(name, lead.signal, steal, () => {
      events.granted();
      granted?.();
    });
  };

  return {
    enter(tab) {
      // Where there are none, or looking at them throws, the first request fails like one that is refused.
      locks = attempt(() => (options.locks ? options.locks() : navigator.locks)) as LockSeam;
      life = new AbortController();
      hold(`tab:${tab}`, life.signal, false);
      queue(false);
    },
    queue: () => queue(false),
    steal(still) {
      const { signal } = life;
      // One at a time; but whoever is at it may hang as well.
      const mode = stealBlocked ? { steal: true } : { ifAvailable: true };
      const alone = (lock: unknown): unknown => {
        stealBlocked = !lock;
        if (!lock || signal.aborted || !still()) return;
        // Until the claim is out: the next tab at this door has then heard of it.
        return new Promise<void>((done) => {
          queue(true, done);
          ended(lead.signal).then(done);
        });
      };
      locks.request(`steal:${name}`, mode, alone).catch(() => {});
    },
    watch(tab) {
      if (watched.has(tab)) return;
      watched.add(tab);
      const { signal } = lead;
      const freed = (): void => {
        if (!signal.aborted) events.gone(tab);
      };
      locks.request(`tab:${tab}`, { signal }, freed).catch(() => {});
    },
    exit() {
      life.abort();
      lead.abort();
      return leadFree;
    },
  };
}
