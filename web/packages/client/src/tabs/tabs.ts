/**
 * What the client and the tabs of one browser ask of each other. `shared.ts` is the real thing, `alone.ts` the one for
 * browsers without locks or channels and for `tabs: 'independent'`: the client cannot tell them apart.
 */

import type { ServerMessage } from '@belfry/protocol';
import type { Connection } from '../types.js';

/** What one tab asks the leader to do upstream. Every one may be done twice: all are idempotent. */
export type Upstream =
  /** Receipts of the level `displayed`. */
  | { do: 'ack'; ids: readonly string[] }
  /** A frame of the application. */
  | { do: 'send'; type: string; data: unknown }
  | { do: 'retry-now' };

/** Whole state, handed to a tab that joins. */
export interface TabState {
  /** Everything the inbox needs: made and read by `feed.ts` only. */
  readonly inbox: unknown;
  readonly connection: Connection;
  /** What the server's clock is ahead of this machine's, in milliseconds. */
  readonly skew?: number;
}

/** What the tabs module needs of the client. */
export interface TabsHost {
  /** This tab leads now: open the connection. */
  lead(): void;
  /** This tab does not lead any more: close the connection at once. */
  yield(): void;
  /** A frame that the leader got; also called in the leader itself, in the same order. */
  receive(message: ServerMessage): void;
  /** The leader's connection changed. Called in followers; `role` is already this tab's. */
  follow(connection: Connection): void;
  /** The leader's whole state, for a tab that joins. `null`: not yet, it is asked again after the next `announce`. */
  state(): TabState | null;
  /** This tab joined: the leader's state, or `null` where nobody answered (then it asks over HTTP). */
  adopt(state: TabState | null): void;
  /** In the leader: carry it out. `false`: cannot now; it is asked again. */
  upstream(request: Upstream): boolean;
  /** In every tab: somebody signed out of this name space. */
  signedOut(): void;
}

/** One tab's part in its browser. */
export interface Tabs {
  readonly role: Connection['role'];
  /** Queue for the lead, ask for state. */
  join(): void;
  /** Leave: hand over if leading. Resolves when the lock is gone. */
  leave(): Promise<void>;
  /** In the leader: tell the others. The host's `receive` is called here as well, so that order is the same everywhere. */
  broadcast(message: ServerMessage): void;
  /** In the leader: the connection changed. */
  announce(connection: Connection): void;
  /** From any tab: carried out by the leader, kept and repeated until it is done. */
  request(request: Upstream): void;
  /** Signs out every tab of this name space, this one included. */
  signOut(): void;
  /** Last input in any tab of this browser, and whether any of them is visible or focused. */
  presence(): { lastInputAt: number; visible: boolean; focused: boolean };
  /** Called when the answer of `presence` changed. */
  onPresence(listener: () => void): () => void;
}
