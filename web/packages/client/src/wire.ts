/** What a link needs of the wire, whichever it is. */

import type { BelfryError } from './types.js';

export interface Wire {
  readonly kind: 'websocket' | 'sse';
  /** `false`: it cannot be sent now. */
  send(type: string, data: unknown): boolean;
  /** At once and for good: nothing is heard of it any more. */
  close(): void;
}

export interface WireEvents {
  text(text: string): void;
  /** Something came that is no frame. */
  life(): void;
  /** `opened`: whether it was ever open. */
  end(code: number, reason: string, opened: boolean, error?: BelfryError): void;
}

/** Opens server-sent events. */
export type OpenEvents = (token: string | null, events: WireEvents) => Promise<Wire>;
