/** Tells the elements of the page that its client or its words are others now. */

import type { Unsubscribe } from '@belfry/client';

const listeners = new Set<() => void>();

/** Calls after each change. */
export function onChange(listener: () => void): Unsubscribe {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Something changed. */
export function changed(): void {
  for (const listener of [...listeners]) listener();
}
