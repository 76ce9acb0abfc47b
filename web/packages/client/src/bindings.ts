/** What framework bindings stand on, so that they hold no logic of their own. */

import { writable } from './readable.js';
import type {
  AnyAlert,
  BelfryError,
  Client,
  Connection,
  DoNotDisturb,
  Filter,
  List,
  Readable,
  Release,
  Unsubscribe,
} from './types.js';
import { idle, quietNever } from './values.js';

export { clientOptions, configureBelfry, defaultClient, type UseWebSocketOptions } from './compat.js';

interface Unheld {
  readonly connection: Connection;
  readonly doNotDisturb: DoNotDisturb;
  readonly sound: { readonly enabled: boolean; readonly blocked: boolean };
}

/** What a client says before anybody held it. Servers render it, and hydration starts from it. */
export const unheld: Unheld = {
  connection: idle,
  doNotDisturb: quietNever,
  sound: { enabled: true, blocked: true },
};

export type AlertActions = Pick<Client, 'markSeen' | 'markRead' | 'markUnread' | 'archive'>;
export type SocketActions = Pick<Client, 'connect' | 'disconnect' | 'send'>;

/** What changes alerts, each by itself: a component takes it apart. */
export function alertActions(client: Client): AlertActions {
  return {
    markSeen: (target) => client.markSeen(target),
    markRead: (target) => client.markRead(target),
    markUnread: (target) => client.markUnread(target),
    archive: (target) => client.archive(target),
  };
}

/** What a hand-written socket has. */
export function socketActions(client: Client): SocketActions {
  return {
    connect: () => client.connect(),
    disconnect: () => client.disconnect(),
    send: (type, data) => client.send(type, data),
  };
}

/** What a list shows, in one value. */
export interface AlertsView {
  readonly alerts: readonly AnyAlert[];
  readonly hasMore: boolean;
  readonly error: BelfryError | null;
}

/** A list that is there before it is open, and after. */
export interface AlertsList extends Readable<AlertsView> {
  /** What it shows while it is not open. */
  readonly rendered: AlertsView;
  /** Counted: it pages and follows until the last one released it. */
  open(): Release;
  loadMore(n?: number): Promise<{ done: boolean }>;
}

/** A list of its own: what it pages in stays, whatever other parts of the page show. `rows`: what a server rendered. */
export function createAlertsList(
  client: Client,
  { kinds, limit }: Pick<Filter, 'kinds' | 'limit'>,
  rows: readonly AnyAlert[] = [],
): AlertsList {
  const filter: Filter = { ...(kinds && { kinds }), ...(limit && { limit }) };
  const alerts = rows.filter(({ kind }) => kinds?.includes(kind) ?? true).slice(0, limit);
  const rendered: AlertsView = { alerts, hasMore: false, error: null };
  const view = writable(rendered, (error) => globalThis.reportError?.(error));
  let list: List | null = null;
  let holders = 0;
  let unsubscribe: Unsubscribe[] = [];

  const see = ({ items, status, hasMore, error }: List): void => {
    // What the server rendered stands until the first page is here.
    const waits = status.get() !== 'ready' && items.get().length === 0;
    view.set({ alerts: waits ? alerts : items.get(), hasMore: hasMore.get(), error: error.get() });
  };
  const start = (): void => {
    const opened = client.list(filter);
    const { items, status, hasMore, error } = opened;
    unsubscribe = [items, status, hasMore, error].map((part: Readable<unknown>) => part.subscribe(() => see(opened)));
    list = opened;
    see(opened);
  };
  const stop = (): void => {
    for (const one of unsubscribe) one();
    list?.dispose();
    list = null;
    view.set(rendered);
  };
  return {
    get: view.get,
    subscribe: view.subscribe,
    rendered,
    open() {
      if (holders++ === 0) start();
      let held = true;
      return () => {
        if (held && --holders === 0) stop();
        held = false;
      };
    },
    loadMore: async (n) => list?.loadMore(n) ?? { done: true },
  };
}
