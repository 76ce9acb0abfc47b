/** The one hook that most pages need. */

import type { AnyAlert, BelfryError, Client, Connection, Kind, Presentation } from '@belfry/client';
import { type AlertActions, alertActions, createAlertsList } from '@belfry/client/bindings';
import { builtInToasts } from '@belfry/elements/lazy';
import { useEffect, useMemo } from 'react';
import { useLatest } from './bus.js';
import { useProvided } from './provider.js';
import { useConnection, useHold, useReadable, useUnread } from './status.js';

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

export interface RealtimeAlerts extends AlertActions {
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
  const { kinds, limit, enabled = true, toast = 'built-in', sound } = options;
  const { client, initial } = useProvided();
  const connection = useConnection();
  const unread = useUnread();
  // An array literal is a new one at each render; its names are what counts.
  const names = kinds?.join();
  const list = useMemo(() => {
    const filter = { ...(names && { kinds: names.split(',') as Kind[] }), ...(limit && { limit }) };
    return createAlertsList(client, filter, initial?.alerts);
  }, [client, initial, names, limit]);
  const { alerts, hasMore, error } = useReadable(list, list.rendered);
  useHold(client, enabled);
  useEffect(() => (enabled ? list.open() : undefined), [list, enabled]);
  useToaster(client, enabled && toast);
  useEffect(() => {
    if (sound !== undefined) client.setSound(sound);
  }, [client, sound]);
  const actions = useMemo(() => ({ ...alertActions(client), loadMore: list.loadMore }), [client, list]);
  return { alerts, unread, hasMore, connection, error: error ?? connection.error, ...actions };
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
