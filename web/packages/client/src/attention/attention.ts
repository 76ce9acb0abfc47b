/** What the client and the part that presents alerts ask of each other. `presenter.ts` is the real thing. */

import type { AnyAlert, DoNotDisturb, Presentation, Readable, Unsubscribe } from '../types.js';

/** How an alert came to this tab. */
export type Arrival = 'live' | 'catch-up' | 'page';

/** What presenting needs of the client. */
export interface AttentionHost {
  /** Who it is; claims and the sound switch are kept per user. */
  user(): string | null;
  /** The alert as it is now; `null`: it left the list. */
  current(id: string): AnyAlert | null;
  doNotDisturb(): DoNotDisturb;
  /** Whether this kind passes do-not-disturb, as its alert was sent: the server then sends `quiet: false`. */
  unread(): Readable<number>;
  /** Wall-clock time corrected by the server's. */
  serverNow(): number;
  /** It was on screen while somebody was there: the receipt `displayed`. */
  displayed(ids: readonly string[]): void;
  open(alert: AnyAlert): void;
  report(error: unknown): void;
}

export interface Attention {
  readonly sound: Readable<{ readonly enabled: boolean; readonly blocked: boolean }>;
  setSound(on: boolean): void;
  /** New alerts of one frame, oldest first, after they were applied. */
  arrived(alerts: readonly AnyAlert[], how: Arrival): void;
  /** An alert changed or left (`null`): open presentations end where it no longer needs attention. */
  changed(id: string, alert: AnyAlert | null): void;
  doNotDisturbChanged(): void;
  onPresent(present: (presentation: Presentation) => void | false | Promise<void>): Unsubscribe;
  /** The first hold: listeners for input and visibility begin here, not before. */
  start(): void;
  stop(): void;
}
