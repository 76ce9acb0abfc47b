/**
 * The public words of the client. Shapes only: what runs is in the files beside it, and every word about the wire comes
 * from `@belfry/protocol`.
 */

import type {
  Action,
  AlertId,
  Cursor,
  ErrorCode,
  InboxStateAnswer,
  Preferences,
  QuietWindow,
  Severity,
  Stream,
} from '@belfry/protocol';

declare global {
  /** The application's kinds and their payloads. The file that `belfry types` writes fills it. */
  interface BelfryKinds {}
  /** The event bus's names and what their handlers get. The file that `belfry types` writes fills it. */
  interface BelfryEvents {}
}

/** Any JSON object. */
export type JsonObject = { readonly [field: string]: unknown };

/** The declared kinds; where none are declared, any name with any object. */
export type Kinds = [keyof BelfryKinds] extends [never] ? Record<string, JsonObject> : BelfryKinds;

/** The name of a kind. */
export type Kind = keyof Kinds & string;

/** The declared events; where none are declared, any `notification:…` with any object. */
export type Events = [keyof BelfryEvents] extends [never] ? Record<`notification:${string}`, JsonObject> : BelfryEvents;

/** The name of an event of the bus. */
export type EventName = keyof Events & string;

/** An alert as this person has it. A new object whenever something about it changed, so `===` tells. */
export interface Alert<K extends Kind = Kind> {
  readonly id: AlertId;
  readonly kind: K;
  readonly data: Kinds[K];
  readonly title: string;
  readonly body: string | null;
  readonly severity: Severity;
  readonly category: string;
  /** A path, or an `https:` URL; anything else is `null`. */
  readonly link: string | null;
  readonly image: string | null;
  readonly actions: readonly Action[];
  /** Alerts of one thread belong together. */
  readonly thread: string | null;
  /** When it was accepted, ISO 8601 UTC. */
  readonly createdAt: string;
  readonly expiresAt: string | null;
  /** Badge yes, toast and sound no. */
  readonly quiet: boolean;
  readonly stream: Stream;
  readonly seq: number;
  readonly state: {
    readonly seen: boolean;
    readonly read: boolean;
    readonly archived: boolean;
    readonly acted: boolean;
  };
}

/** An alert of one of the declared kinds: `kind` tells which, and with it the type of `data`. */
export type AnyAlert = { [K in Kind]: Alert<K> }[Kind];

/** A value that changes: `get` reads it, `subscribe` is called after each change, not at once. */
export interface Readable<T> {
  get(): T;
  subscribe(listener: (value: T) => void): Unsubscribe;
}

export type Unsubscribe = () => void;

/** Gives back a hold. Calling it twice is harmless. */
export type Release = () => void;

/**
 * How the connection is.
 *
 * | state | means |
 * |---|---|
 * | `idle` | nobody holds it, or nobody is signed in |
 * | `connecting` | first attempt since the first hold |
 * | `catching-up` | open; what was missed is on its way |
 * | `live` | open and complete |
 * | `retrying` | lost; the next attempt is scheduled or running |
 * | `offline` | `maxAttempts` attempts failed; it goes on probing |
 * | `paused` | the server gave the connection's place to another tab or device; comes back when the tab is visible |
 * | `stopped` | a fatal refusal; only `connect()`, `retryNow()` or `identify()` start anew |
 */
export type ConnectionState =
  | 'idle'
  | 'connecting'
  | 'catching-up'
  | 'live'
  | 'retrying'
  | 'offline'
  | 'paused'
  | 'stopped';

export interface Connection {
  readonly state: ConnectionState;
  /** Since when, in milliseconds of the client's clock. */
  readonly since: number;
  /** `live` or `catching-up`. */
  readonly isConnected: boolean;
  /** `connecting` or `retrying`. */
  readonly isConnecting: boolean;
  /** Failed attempts in a row. */
  readonly attempts: number;
  /** When the next attempt is due, in milliseconds of the client's clock. */
  readonly retryAt: number | null;
  /** The last reason; `null` while live. */
  readonly error: BelfryError | null;
  /** Who holds the socket of this browser. */
  readonly role: 'leader' | 'follower' | 'alone' | 'none';
  readonly transport: 'websocket' | 'sse' | null;
}

/** Codes of the client itself, beside those of the server. */
export type ClientErrorCode =
  | ErrorCode
  | 'offline'
  | 'user-changed'
  | 'token-unavailable'
  | 'connect-failed'
  | 'connection-lost'
  | 'request-failed'
  | 'handler-failed'
  | 'push-failed';

/** What went wrong. Compare `code`, never the message. */
export interface BelfryError extends Error {
  readonly name: 'BelfryError';
  readonly code: ClientErrorCode;
  /** The HTTP status or close code, where there was one. */
  readonly status: number | null;
  readonly retryable: boolean;
  readonly retryAfterMs: number | null;
  /** The code's page. */
  readonly docs: string | null;
}

/** Why a token is asked for, so that a cached one can be thrown away. */
export interface TokenRequest {
  readonly reason: 'connect' | 'expiring' | 'rejected';
  readonly signal: AbortSignal;
}

/** What the client needs of a clock. Times are in milliseconds; `now` is wall-clock time. */
export interface Clock {
  now(): number;
  setTimeout(run: () => void, ms: number): unknown;
  clearTimeout(timer: unknown): void;
}

/** What the client keeps per user: cursor, sound switch, cached unread number. Every access may throw; the client copes. */
export interface StorageSeam {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

export interface AttentionOptions {
  /** `once` (default): one tab of the browser presents an alert; `every-tab`: all do. */
  present?: 'once' | 'every-tab';
  /** What happens when every tab is hidden: a notification of the system (default, where permitted), or nothing. */
  hidden?: 'notification' | 'none';
  /** `true` (default): a short chime; a URL; or your own. */
  sound?: boolean | string | (() => void);
  /** Input within this many milliseconds means that somebody is there. Default 120,000. */
  activeWithinMs?: number;
  /** Older alerts are summed up instead of presented. Default 60,000, by the server's time. */
  maxAgeMs?: number;
  /** Where else the unread number stands: title prefix and app badge. Both off by default. */
  badge?: { title?: boolean; app?: boolean };
}

export interface ClientOptions {
  /** The server's base. Default: the page's origin; a path prefix is allowed. Resolved at the first hold. */
  url?: string | URL;
  /** Who is signed in; `null`: nobody, connecting waits; missing: not known, the server says (cookie). */
  user?: string | null;
  /** What a server rendered; counts until the server's own word is here. */
  initial?: Snapshot | undefined;
  /** Separates clients of one page that must not share: part of the names of locks and channels. */
  scope?: string;
  /** Gives a JWT; `null`: signed out. Missing: the cookie is used. */
  token?: (request: TokenRequest) => string | null | Promise<string | null>;
  /** With a cookie: renews it. `false`: signed out. */
  refresh?: (request: TokenRequest) => Promise<boolean>;
  /** How a token travels. Default `subprotocol`. */
  auth?: 'subprotocol' | 'query';
  transport?: 'auto' | 'websocket' | 'sse';
  /** `shared` (default): one connection for all tabs of the browser, where it can. */
  tabs?: 'shared' | 'independent';
  /** Waits in milliseconds. Default 1,000, 2,000, 5,000, 10,000, 30,000. */
  backoff?: readonly number[];
  /** Failed attempts until the state is `offline`. Default 10. */
  maxAttempts?: number;
  /** After that: probe every 60 s while visible (default), or stop. */
  afterMaxAttempts?: 'probe' | 'stop';
  /** `full` (default): each wait is drawn between 0 and its value. */
  jitter?: 'full' | 'none';
  /** Default 10,000. */
  connectTimeoutMs?: number;
  /** A connection that lasted this long starts the waits anew. Default 30,000. */
  stableAfterMs?: number;
  /** How long the connection outlives the last hold. Default 3,000. */
  lingerMs?: number;
  /** Close a connection that was hidden this long; `false` (default on desktop): never. */
  parkHiddenAfterMs?: number | false;
  attention?: AttentionOptions;
  /** How many alerts the default list keeps. Default 200. */
  keep?: number;
  /** `indexeddb` keeps the newest page for the next visit; deleted at logout. Default `memory`. */
  history?: 'memory' | 'indexeddb';
  /** Names on the event bus by kind, where a kind file gives one of its own. Else `notification:<kind>`. */
  events?: Readonly<Record<string, string>>;
  /**
   * Opens a link of this origin, for routers: gets path, query and fragment. Default: `location.assign`. Only `http:` and
   * `https:` links are followed, and those to another origin never in the place of this page: a click opens them in a tab
   * of their own that knows nothing of this one.
   */
  navigate?: (url: string) => void;
  /** The application's own service worker, which calls `installPush` for pushes. Default: the server's, at `/sdk/`. */
  worker?: () => Promise<ServiceWorkerRegistration>;
  onError?: (error: BelfryError) => void;
  WebSocket?: typeof WebSocket;
  fetch?: typeof fetch;
  storage?: StorageSeam;
  clock?: Clock;
  random?: () => number;
}

export interface On {
  signal?: AbortSignal;
  /** Missing: live alerts only. `catch-up`: also what was missed. `all`: also the first page. */
  replay?: 'catch-up' | 'all';
  /** In one tab only, for alerts that are to be shown, in place of the presenter: returning counts as shown. */
  present?: boolean;
}

/** A frame as it came: applications that were built on plain `ws` read these three fields. */
export interface WebSocketMessage<T = unknown> {
  readonly type: string;
  readonly data: T;
  readonly timestamp: string;
  readonly [field: string]: unknown;
}

/** An alert, by itself or by its id. */
export type Target = AlertId | AnyAlert | readonly (AlertId | AnyAlert)[];

/** What is shown when one alert is presented. `alert` is `null` for a summary. */
export interface Presentation {
  readonly alert: AnyAlert | null;
  /** For a summary: how many it stands for, and why they were not shown one by one. */
  readonly summary: { readonly count: number; readonly reason: 'away' | 'do-not-disturb' } | null;
  /** Whether the chime goes with it. The client plays it; a toaster does nothing. */
  readonly sound: boolean;
  /** How many were presented within the last five seconds, this one included: toasters collapse above three. */
  readonly burst: number;
  /** It is on screen now. Returning from the handler counts as this, unless it returned `false` or a promise. */
  shown(): void;
  dismissed(reason: 'timeout' | 'user' | 'replaced'): void;
  /** Somebody opened it: marks it read and follows its link. */
  opened(): void;
  /** Aborts when the alert was read, archived, recalled, or expired anywhere: the toast goes away. */
  readonly signal: AbortSignal;
}

export interface DoNotDisturb {
  readonly active: boolean;
  /** ISO 8601 UTC; `null` where it is not quiet. */
  readonly until: string | null;
  readonly schedule: readonly QuietWindow[];
  readonly timeZone: string | null;
}

export interface Filter {
  kinds?: readonly Kind[];
  category?: string;
  unread?: boolean;
  archived?: boolean;
  /** Rows per page. Default 25. */
  limit?: number;
}

/** A view of the inbox that pages, and that live alerts enter at the top. */
export interface List {
  readonly items: Readable<readonly AnyAlert[]>;
  readonly status: Readable<'loading' | 'ready' | 'error'>;
  readonly hasMore: Readable<boolean>;
  readonly error: Readable<BelfryError | null>;
  loadMore(n?: number): Promise<{ done: boolean }>;
  refresh(): Promise<void>;
  dispose(): void;
}

export type PushState = 'unknown' | 'unsupported' | 'needs-install' | 'denied' | 'off' | 'on' | 'other-user';

type DeepPartial<T> = T extends object ? { [K in keyof T]?: DeepPartial<T[K]> } : T;

/** Unread number and first page as a server rendered them: from `publisher.snapshot(userId)` of `@belfry/node`. */
export interface Snapshot {
  readonly unread: number;
  readonly alerts?: readonly AnyAlert[];
}

export interface Client {
  readonly connection: Readable<Connection>;
  /** The default list, newest first. */
  readonly alerts: Readable<readonly AnyAlert[]>;
  /** The server's number; never counted here. */
  readonly unread: Readable<number>;
  readonly doNotDisturb: Readable<DoNotDisturb>;
  readonly sound: Readable<{ readonly enabled: boolean; readonly blocked: boolean }>;
  /** Who it is, once known. */
  readonly user: Readable<string | null>;
  /** The time by the server's clock, in milliseconds: a laptop's own may be wrong by hours, and counts until it connects. */
  now(): number;

  /** Counted interest of this tab: connects on the first, leaves `lingerMs` after the last. */
  hold(): Release;
  /** A hold that only `disconnect()` releases. */
  connect(): void;
  /** This tab leaves at once; the connection closes when the last tab did. */
  disconnect(): void;
  /** Another user, or nobody: leaves, clears, joins anew. `null` also signs out the other tabs. */
  identify(user: string | null): Promise<void>;
  retryNow(): void;
  /** Ends it for good and removes every listener. */
  dispose(): void;

  onMessage(listener: (message: WebSocketMessage) => void, options?: On): Unsubscribe;
  on<E extends EventName>(event: E, listener: (data: Events[E], alert: AnyAlert) => void, options?: On): Unsubscribe;
  on<K extends Kind>(kind: K, listener: (alert: Alert<K>) => void, options?: On): Unsubscribe;
  /** The one presenter of this tab is the one registered last. Without one the tab presents nothing. */
  onPresent(present: (presentation: Presentation) => void | false | Promise<void>): Unsubscribe;
  /** `false`: not connected, dropped. */
  send(type: string, data: unknown): boolean;

  list(filter?: Filter): List;
  loadMore(n?: number): Promise<{ done: boolean }>;
  markSeen(target: Target): Promise<void>;
  markRead(target: Target | { upTo: AnyAlert | Cursor }): Promise<void>;
  markUnread(target: Target): Promise<void>;
  archive(target: Target): Promise<void>;
  unarchive(target: Target): Promise<void>;
  /** Marks it acted; with an action, follows that action's link. */
  markActed(id: AlertId, action?: string): Promise<void>;
  /** Follows an alert's link, as `navigate` says, and marks it read. To be called in a click: other origins need one. */
  open(alert: AnyAlert): void;

  setDoNotDisturb(
    value: { until: Date | 'off' | 'on' } | { schedule: readonly QuietWindow[]; timeZone?: string },
  ): Promise<void>;
  setSound(on: boolean): void;

  readonly preferences: Readable<Preferences | null> & {
    load(): Promise<void>;
    set(change: DeepPartial<Preferences>): Promise<void>;
  };
  readonly push: {
    readonly state: Readable<PushState>;
    /** After a person's click: asks for permission, subscribes, registers. */
    enable(): Promise<PushState>;
    disable(): Promise<void>;
  };
}

export type { InboxStateAnswer };
