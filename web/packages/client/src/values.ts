/** What applications read: there from the start, and filled by whatever is loaded later. */

import type { Preferences } from '@belfry/protocol';
import { type Writable, writable } from './readable.js';
import type {
  AnyAlert,
  BelfryError,
  ClientOptions,
  Connection,
  DoNotDisturb,
  List,
  PushState,
  Readable,
} from './types.js';

type Writables<T> = { readonly [K in keyof T]: T[K] extends Readable<infer V> ? Writable<V> : never };

/** What a list shows. */
export type ListValues = Writables<Pick<List, 'items' | 'status' | 'hasMore' | 'error'>>;

export interface Values {
  readonly connection: Writable<Connection>;
  readonly user: Writable<string | null>;
  readonly unread: Writable<number>;
  readonly doNotDisturb: Writable<DoNotDisturb>;
  readonly sound: Writable<{ readonly enabled: boolean; readonly blocked: boolean }>;
  readonly preferences: Writable<Preferences | null>;
  readonly push: Writable<PushState>;
  /** The default list. */
  readonly alerts: ListValues;
}

export const idle: Connection = {
  state: 'idle',
  since: 0,
  isConnected: false,
  isConnecting: false,
  attempts: 0,
  retryAt: null,
  error: null,
  role: 'none',
  transport: null,
};

export const quietNever: DoNotDisturb = { active: false, until: null, schedule: [], timeZone: null };

export const listValues = (report: (error: unknown) => void): ListValues => ({
  items: writable<readonly AnyAlert[]>([], report),
  status: writable<'loading' | 'ready' | 'error'>('loading', report),
  hasMore: writable(false, report),
  error: writable<BelfryError | null>(null, report),
});

export const openValues = (options: ClientOptions, report: (error: unknown) => void): Values => ({
  connection: writable(idle, report),
  user: writable(options.user ?? null, report),
  unread: writable(options.initial?.unread ?? 0, report),
  doNotDisturb: writable(quietNever, report),
  sound: writable({ enabled: options.attention?.sound !== false, blocked: true }, report),
  preferences: writable<Preferences | null>(null, report),
  push: writable<PushState>('unknown', report),
  alerts: listValues(report),
});

/** Where a person's position and unread number are kept: `<cursor> <number>`. */
export const keptKey = (name: string): string => `${name}/at`;
