/** Tells the elements of the page that its client or its words are others now. */

/** Called after each change. */
export const listeners: Set<() => void> = new Set();

/** Something changed. */
export function changed(): void {
  for (const listener of [...listeners]) listener();
}
