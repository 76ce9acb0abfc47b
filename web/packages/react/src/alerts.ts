/** The one hook that most pages need. */

import type { AnyAlert, BelfryError, Client, Connection, Kind, List, Presentation, Readable } from '@belfry/client';
import { builtInToasts } from '@belfry/elements/lazy';
import { useEffect, useMemo, useState } from 'react';
import { useLatest } from './bus.js';
import { useProvided } from './provider.js';
import { still, useConnection, useHold, useReadable, useUnread } from './status.js';

export interface RealtimeAlertsOptions {
  /** Only these kinds in `alerts`; missing: all. Toasts are for every kind. */
  kinds?: readonly Kind[] | undefined;
  /** Rows of the first page and of each further one. */
  limit?: number | undefined;
  /** Signed in, and on a page that may show alerts. Default `true`. */
  enabled?: boolean | undefined;
  /** Who shows new alerts: the built-in toasts (default), nobody, or your own toaster. */
  toast?: 'built-in' | false | ((presentation: Presentation) => void | false | Promise<void>) | undefined;
  /** The sound switch, where the application keeps it; missing: the person's choice in this browser stands. */
  sound?: boolean | undefined;
}

type Actions = Pick<Client, 'markSeen' | 'markRead' | 'markUnread' | 'archive'>;

export interface RealtimeAlerts extends Actions {
  /** Newest first. */
  readonly alerts: readonly AnyAlert[];
  /** The server's number, of all kinds. */
  readonly unread: number;
  readonly connection: Connection;
  /** Another page of older alerts. */
  loadMore(n?: number): Promise<{ done: boolean }>;
  readonly hasMore: boolean;
  readonly error: BelfryError | null;
}

/** Connects while mounted and enabled, shows each new alert once, and gives the list. */
export function useRealtimeAlerts(options: RealtimeAlertsOptions = {}): RealtimeAlerts {
  const { enabled = true, toast = 'built-in', sound } = options;
  const { client } = useProvided();
  const connection = useConnection();
  useHold(client, enabled);
  useToaster(client, enabled && toast);
  useEffect(() => {
    if (sound !== undefined) client.setSound(sound);
  }, [client, sound]);
  const { error, ...list } = useList({ ...options, enabled });
  const actions = useMemo(() => actionsOf(client), [client]);
  return { ...list, ...actions, unread: useUnread(), connection, error: error ?? connection.error };
}

function actionsOf(client: Client): Actions {
  return {
    markSeen: (target) => client.markSeen(target),
    markRead: (target) => client.markRead(target),
    markUnread: (target) => client.markUnread(target),
    archive: (target) => client.archive(target),
  };
}

const LOADING: List['status'] = still('loading');
const NO_MORE: Readable<boolean> = still(false);
const NO_ERROR: Readable<BelfryError | null> = still(null);

/** A list of its own while mounted: what it pages in stays, whatever other parts of the page show. */
function useList({
  kinds,
  limit,
  enabled,
}: RealtimeAlertsOptions): Omit<RealtimeAlerts, keyof Actions | 'unread' | 'connection'> {
  const { client, initial } = useProvided();
  const [list, setList] = useState<List | null>(null);
  // An array literal is a new one at each render; its names are what counts.
  const names = kinds?.join();
  useEffect(() => {
    if (!enabled) return;
    const opened = client.list({
      ...(names !== undefined && { kinds: names.split(',') as Kind[] }),
      ...(limit && { limit }),
    });
    setList(opened);
    return () => {
      setList(null);
      opened.dispose();
    };
  }, [client, names, limit, enabled]);
  const rendered = useMemo(() => {
    const rows = initial?.alerts?.filter((alert) => names === undefined || names.split(',').includes(alert.kind));
    return still<readonly AnyAlert[]>(rows?.slice(0, limit) ?? []);
  }, [initial, names, limit]);
  const items = useReadable(list?.items ?? rendered, rendered.get());
  const status = useReadable(list?.status ?? LOADING, 'loading');
  return {
    // What the server rendered stands until the first page is here.
    alerts: status === 'ready' || items.length > 0 ? items : rendered.get(),
    hasMore: useReadable(list?.hasMore ?? NO_MORE, false),
    error: useReadable(list?.error ?? NO_ERROR, null),
    loadMore: async (n) => list?.loadMore(n) ?? { done: true },
  };
}

function useToaster(client: Client, toast: RealtimeAlertsOptions['toast']): void {
  const latest = useLatest(toast);
  const how = typeof toast === 'function' ? 'own' : toast;
  useEffect(() => {
    if (how === 'built-in') return builtInToasts(client);
    if (how !== 'own') return;
    return client.onPresent((presentation) => {
      const present = latest.current;
      return typeof present === 'function' ? present(presentation) : false;
    });
  }, [client, how, latest]);
}
