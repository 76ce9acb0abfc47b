/** The one primitive that most pages need. */

import type { AnyAlert, BelfryError, Client, Connection, Kind, List, Presentation, Readable } from '@belfry/client';
import { builtInToasts } from '@belfry/elements/lazy';
import { type Accessor, createEffect, createMemo, createSignal, onCleanup } from 'solid-js';
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

type Actions = Pick<Client, 'markSeen' | 'markRead' | 'markUnread' | 'archive'>;

export interface RealtimeAlerts extends Actions {
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
  const { client } = useProvided();
  // A memo: what `enabled` is made of may change without the answer changing, and that must not reconnect.
  const enabled = createMemo(() => access(options.enabled ?? true));
  const connection = useConnection();
  useHold(client, enabled);
  createEffect(() => {
    if (enabled()) onCleanup(present(client, options.toast ?? 'built-in'));
  });
  createEffect(() => {
    const sound = access(options.sound);
    if (sound !== undefined) client.setSound(sound);
  });
  const list = useList(options, enabled);
  return {
    ...list,
    unread: useUnread(),
    connection,
    error: () => list.error() ?? connection().error,
    markSeen: (target) => client.markSeen(target),
    markRead: (target) => client.markRead(target),
    markUnread: (target) => client.markUnread(target),
    archive: (target) => client.archive(target),
  };
}

type ListPart = Omit<RealtimeAlerts, keyof Actions | 'unread' | 'connection'>;

/** A list of its own: what it pages in stays, whatever other parts of the page show. */
function useList(options: RealtimeAlertsOptions, enabled: Accessor<boolean>): ListPart {
  const { client, initial } = useProvided();
  const { limit } = options;
  const kinds = (): readonly Kind[] | undefined => access(options.kinds);
  const [list, setList] = createSignal<List | null>(null);
  createEffect(() => {
    if (!enabled()) return;
    const only = kinds();
    const opened = client.list({ ...(only && { kinds: only }), ...(limit && { limit }) });
    setList(opened);
    onCleanup(() => {
      setList(null);
      opened.dispose();
    });
  });
  const rendered = (): readonly AnyAlert[] =>
    (initial?.alerts ?? []).filter((alert) => kinds()?.includes(alert.kind) ?? true).slice(0, limit);
  const read = <T>(pick: (list: List) => Readable<T>, otherwise: () => T): Accessor<T> => {
    const now = createMemo(() => {
      const opened = list();
      return opened ? follow(pick(opened), otherwise()) : otherwise;
    });
    return () => now()();
  };
  const items = read((opened) => opened.items, rendered);
  const status = read<'loading' | 'ready' | 'error'>(
    (opened) => opened.status,
    () => 'loading',
  );
  return {
    // What the server rendered stands until the first page is here.
    alerts: () => (status() === 'ready' || items().length > 0 ? items() : rendered()),
    hasMore: read(
      (opened) => opened.hasMore,
      () => false,
    ),
    error: read<BelfryError | null>(
      (opened) => opened.error,
      () => null,
    ),
    loadMore: async (n) => list()?.loadMore(n) ?? { done: true },
  };
}

function present(client: Client, toast: NonNullable<RealtimeAlertsOptions['toast']>): () => void {
  if (toast === 'built-in') return builtInToasts(client);
  return toast ? client.onPresent(toast) : () => {};
}
