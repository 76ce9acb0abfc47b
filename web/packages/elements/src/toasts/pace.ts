/** How long toasts stay, and when they become one. */

/** How often the clocks of the toasts move on. */
export const TICK_MS = 250;

const LEAST_MS = 6_000;
const PER_CHARACTER_MS = 60;
/** What a card shows of a text before it is cut. */
const CHARACTERS_MAX = 240;
/** More than this many at once, or within five seconds, are counted instead of shown. */
const AT_ONCE = 3;
/** Critical ones wait for a person, so more of them stand side by side. */
const CRITICAL_AT_ONCE = 5;

/** Time to read it. */
export function stayMs(text: string): number {
  return LEAST_MS + PER_CHARACTER_MS * Math.min(text.length, CHARACTERS_MAX);
}

/** Whether the next one is counted with those that stand there: `open` of them, `burst` alerts in the last five seconds. */
export function collapses(open: number, burst: number, critical: boolean): boolean {
  if (critical) return open >= CRITICAL_AT_ONCE;
  return open >= AT_ONCE || (open > 0 && burst > AT_ONCE);
}
