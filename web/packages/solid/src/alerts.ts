/** The one primitive that most pages need. */

import type { AnyAlert, BelfryError, Connection, Kind, Presentation } from '@belfry/client';
import { type AlertActions, type AlertsView, alertActions, createAlertsList } from '@belfry/client/bindings';
import { builtInToasts } from '@belfry/elements/lazy';
import { type Accessor, createEffect, createMemo, onCleanup } from 'solid-js';
import { useProvided } from './provider.js';
import { access, follow, type MaybeAccessor, useConnection, useHold, useUnread } from './status.js';

export interface RealtimeAlertsOptions {
  /** Only these kinds in `alerts`; missing: all. Toasts are for every kind. */
  kinds?: MaybeAccessor<readonly Kind[] | undefined>;
  /** Rows of the first page and of each further one. */
  limit?: number;
  /** Signed in, and on a page that may show alerts. Default `true`. */
  enabled?: MaybeAccessor<boolean>;
  /** Who shows new alerts: the built-in toasts (default), nobody, or your own toaster. */
  toast?: 'built-in' | false | ((presentation: Presentation) => void | false | Promise<void>);
  /** The sound switch, where the application keeps it; missing: the person's choice in this browser stands. */
  sound?: MaybeAccessor<boolean>;
}

export interface RealtimeAlerts extends AlertActions {
  /** Newest first. */
  readonly alerts: Accessor<readonly AnyAlert[]>;
  /** The server's number, of all kinds. */
  readonly unread: Accessor<number>;
  readonly connection: Accessor<Connection>;
  /** Another page of older alerts. */
  loadMore(n?: number): Promise<{ done: boolean }>;
  readonly hasMore: Accessor<boolean>;
  readonly error: Accessor<BelfryError | null>;
}

/** Connects while the owner lives and it is enabled, shows each new alert once, and gives the list. */
export function useRealtimeAlerts(options: RealtimeAlertsOptions = {}): RealtimeAlerts {
  const { client, initial } = useProvided();
  const { limit, toast = 'built-in' } = options;
  // A memo: what `enabled` is made of may change without the answer changing, and that must not reconnect.
  const enabled = createMemo(() => access(options.enabled ?? true));
  const connection = useConnection();
  useHold(client, enabled);
  const list = createMemo(() => {
    const kinds = access(options.kinds);
    return createAlertsList(client, { ...(kinds && { kinds }), ...(limit && { limit }) }, initial?.alerts);
  });
  const views = createMemo(() => follow(list(), list().rendered));
  const view = (): AlertsView => views()();
  createEffect(() => {
    if (enabled()) onCleanup(list().open());
  });
  createEffect(() => {
    if (enabled() && toast) onCleanup(toast === 'built-in' ? builtInToasts(client) : client.onPresent(toast));
  });
  createEffect(() => {
    const sound = access(options.sound);
    if (sound !== undefined) client.setSound(sound);
  });
  return {
    alerts: () => view().alerts,
    hasMore: () => view().hasMore,
    unread: useUnread(),
    connection,
    error: () => view().error ?? connection().error,
    loadMore: (n) => list().loadMore(n),
    ...alertActions(client),
  };
}
