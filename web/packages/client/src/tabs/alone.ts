/** For `tabs: 'independent'`, and for browsers and frames that refuse locks or channels: every tab leads itself. */

import type { LockEvents, Locks } from './locks.js';

/** Locks that are always free. */
export function createAlone(events: LockEvents): Locks {
  return {
    enter: () => events.granted(),
    queue() {},
    steal() {},
    watch() {},
    exit: () => Promise.resolve(),
  };
}
