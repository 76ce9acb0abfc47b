/** What is presented, and how loudly. Pure: time is an argument. */

import type { AnyAlert, DoNotDisturb, Presentation } from '../types.js';
import type { Arrival } from './attention.js';

/** What becomes of an alert that arrived: presented, summed up as one of many, or nothing. */
export type Verdict = 'present' | NonNullable<Presentation['summary']>['reason'] | 'nothing';

/** The moment an alert is looked at. `now` is the server's time. */
export interface Moment {
  readonly now: number;
  readonly hushed: boolean;
  readonly maxAgeMs: number;
}

/** Whether an alert still wants somebody's attention; `null`: it left. */
export const isOpen = (alert: AnyAlert | null, now: number): alert is AnyAlert =>
  !!alert &&
  !alert.state.read &&
  !alert.state.archived &&
  !alert.state.acted &&
  !(alert.expiresAt && Date.parse(alert.expiresAt) <= now);

/** What to do with an alert. */
export function verdict(alert: AnyAlert, how: Arrival, { now, hushed, maxAgeMs }: Moment): Verdict {
  if (how === 'page' || !isOpen(alert, now)) return 'nothing';
  // The server marks as quiet what do-not-disturb silences; what breaks through is not marked.
  if (alert.quiet) return hushed ? 'do-not-disturb' : 'nothing';
  return now - Date.parse(alert.createdAt) > maxAgeMs ? 'away' : 'present';
}

/** Whether do-not-disturb is on. Its end is a time, and nobody tells when it has come. */
export const isHushed = ({ active, until }: DoNotDisturb, now: number): boolean =>
  active && !(until && Date.parse(until) <= now);

/** How long a tab waits before it claims: the tab that somebody looks at comes first. */
export const bidMs = (visible: boolean, focused: boolean): number => (visible ? (focused ? 0 : 40) : 120);

/** The moments of the last five seconds, this one included. */
export const recent = (moments: readonly number[], now: number): number[] => [
  ...moments.filter((at) => now - at < 5_000),
  now,
];

/** Whether the chime may sound: it is not repeated within two seconds. */
export const mayChime = (lastAt: number, now: number): boolean => Math.abs(now - lastAt) >= 2_000;

/** Whether somebody is there: can see the page, and moved something in this browser not long ago. */
export const isAttended = (visible: boolean, idleMs: number, activeWithinMs: number): boolean =>
  visible && idleMs < activeWithinMs;
