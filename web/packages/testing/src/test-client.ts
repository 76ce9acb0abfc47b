/** A client without a server: a test hands it alerts, and sees what was shown and what was asked for. */

import type {
  Alert,
  AnyAlert,
  BelfryError,
  Client,
  Clock,
  Connection,
  ConnectionState,
  DoNotDisturb,
  Kind,
  Kinds,
  PushState,
  Target,
  WebSocketMessage,
} from '@belfry/client';
import type { Preferences } from '@belfry/protocol';
import type { AlertOverrides } from './alert.js';
import { InMemoryClient } from './in-memory-client.js';
import type { Call, FailingCall } from './test-calls.js';
import type { Presented } from './test-presenter.js';

/** What a test client starts with. */
export interface TestClientInit {
  /** Default `ann`; `null`: signed out. */
  user?: string | null;
  /** Missing: `live` while somebody holds the client, else `idle`. Given: stays until `setConnection`. */
  connection?: ConnectionState | Partial<Connection>;
  /** The default list, newest first. */
  alerts?: readonly AnyAlert[];
  /** What `loadMore` brings, newest first. */
  older?: readonly AnyAlert[];
  /** Default: as many as `alerts` and `older` have. */
  unread?: number;
  doNotDisturb?: Partial<DoNotDisturb>;
  sound?: { enabled?: boolean; blocked?: boolean };
  preferences?: Preferences | null;
  push?: PushState;
  /** What `push.enable()` leads to. Default `on`. */
  pushAnswer?: PushState;
  /** Names of events where they are not the usual ones: kind → event. */
  events?: Readonly<Record<string, string>>;
  navigate?: (url: string) => void;
  onError?: (error: BelfryError) => void;
  clock?: Clock;
}

/** How `receive` differs from a live alert with nothing special about it. */
export type ReceiveOverrides<K extends Kind = Kind> = AlertOverrides<K> & {
  /** `catch-up`: it was missed; only listeners that asked for a replay hear of it. Default `live`. */
  readonly arrival?: 'live' | 'catch-up';
  /** Passes do-not-disturb, as a kind with `breaks_through` does. */
  readonly breaksThrough?: boolean;
};

/** A `Client`, and what a test does with it. */
export interface TestClient extends Client {
  /** An alert arrives: into the lists, to the listeners, and to the presenter. */
  receive<K extends Kind>(kind: K, data: Kinds[K], overrides?: ReceiveOverrides<K>): Alert<K>;
  /** Any frame arrives, for `onMessage` only. */
  receiveMessage(message: WebSocketMessage): void;
  /** Another device changed these alerts. */
  changeElsewhere(target: Target, state: Partial<Alert['state']>): void;
  /** The alert was recalled, or expired. */
  leave(id: string): void;
  /** A summary is presented instead of single alerts. */
  summarize(count: number, reason: 'away' | 'do-not-disturb'): void;
  setConnection(change: ConnectionState | Partial<Connection>): void;
  /** The server's number, where a test wants another one than its alerts add up to. */
  setUnread(unread: number): void;
  setSoundBlocked(blocked: boolean): void;
  setPushState(state: PushState): void;
  /** What every open list shows. */
  setListStatus(status: 'loading' | 'ready' | 'error', error?: BelfryError): void;
  /** The next call of this method rejects. */
  failNext(method: FailingCall, error?: BelfryError): void;
  /** What this tab's presenter was given, in order. */
  readonly presented: readonly Presented[];
  /** What was asked of the client, in order. */
  readonly calls: readonly Call[];
  /** Holds that were not released: a component that unmounted leaves none. */
  readonly holds: number;
  /** Listeners, presenters and lists that were not given back. */
  readonly leaks: { readonly listeners: number; readonly presenters: number; readonly lists: number };
}

/** Makes a test client. */
export function createTestClient(init: TestClientInit = {}): TestClient {
  return new InMemoryClient(init);
}
