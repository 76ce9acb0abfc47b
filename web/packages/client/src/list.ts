/** A view of the inbox: pages older rows in, and new ones enter at its top. */

import type { AlertId, InboxPage } from '@belfry/protocol';
import { asFailure, handled } from './failure.js';
import type { AnyAlert, Filter, List } from './types.js';
import type { ListValues } from './values.js';

/** What a list needs of the client. */
export interface ListHost {
  row(id: AlertId): AnyAlert | undefined;
  /** Fetches a page; its rows are in the inbox when it comes back. */
  page(query: URLSearchParams): Promise<InboxPage>;
  /** Whether pages can be asked for. */
  ready(): boolean;
  closed(list: LiveList): void;
}

/** What is handed to another tab. */
export interface ListState {
  readonly ids: readonly AlertId[];
  readonly next: string | null;
}

export interface LiveList extends List {
  /** Alerts that are new here. */
  enter(alerts: readonly AnyAlert[]): void;
  /** Rows may have changed. */
  render(): void;
  /** Starts over with this page; without one it is fetched, unless it is on its way. */
  seed(state?: ListState): void;
  /** Nothing is known any more. */
  clear(): void;
  state(rows: number): ListState | null;
  /** Lets go of the oldest rows. */
  trim(keep: number): void;
}

const PAGE = 25;
const MAX_PAGE = 100;

/** Row ids are ordered by acceptance, so this is newest first. */
const newestFirst = (a: AnyAlert, b: AnyAlert): number => (a.id < b.id ? 1 : -1);

export function createList(filter: Filter, values: ListValues, host: ListHost): LiveList {
  const { kinds, category, unread, archived = false, limit = PAGE } = filter;
  const { items, status, hasMore, error } = values;
  let ids = new Set<AlertId>();
  let next: string | null = null;
  let flight: Promise<{ done: boolean }> | null = null;
  /** Rises when the list starts over: pages that were asked for before do not belong to it. */
  let generation = 0;

  const fits = (alert: AnyAlert): boolean =>
    alert.state.archived === archived &&
    (!kinds || kinds.includes(alert.kind)) &&
    (category === undefined || alert.category === category) &&
    (unread === undefined || alert.state.read !== unread);
  const render = () => {
    const rows: AnyAlert[] = [];
    for (const id of ids) {
      const row = host.row(id);
      if (!row) ids.delete(id);
      // One that was read stays in a list of unread ones until the list is refreshed: it must not vanish under the hand.
      else if (row.state.archived === archived) rows.push(row);
    }
    rows.sort(newestFirst);
    const shown = items.get();
    if (rows.length !== shown.length || rows.some((row, at) => row !== shown[at])) items.set(rows);
  };
  const show = (more: string | null) => {
    next = more;
    hasMore.set(more !== null);
    error.set(null);
    status.set('ready');
    render();
  };
  const fetchRows = async (n: number, first: boolean): Promise<{ done: boolean }> => {
    const mine = ++generation;
    let before = first ? null : next;
    const found: AlertId[] = [];
    do {
      const query = new URLSearchParams({ limit: String(Math.min(n - found.length, MAX_PAGE)) });
      if (before !== null) query.set('before', before);
      if (category !== undefined) query.set('category', category);
      if (unread !== undefined) query.set('unread', String(unread));
      if (archived) query.set('archived', 'true');
      if (kinds?.length === 1) query.set('kind', String(kinds[0]));
      const page = await host.page(query);
      if (mine !== generation) return { done: next === null };
      for (const { id, type } of page.items) if (!kinds || (kinds as readonly string[]).includes(type)) found.push(id);
      before = page.next;
    } while (before !== null && found.length < n);
    if (first) ids = new Set();
    for (const id of found) ids.add(id);
    show(before);
    return { done: before === null };
  };
  const load = (n: number, first: boolean): Promise<{ done: boolean }> => {
    if (flight && !first) return flight;
    if (first) status.set('loading');
    const mine = fetchRows(n, first).catch((reason: unknown) => {
      error.set(asFailure(reason, 'request-failed'));
      status.set('error');
      throw reason;
    });
    flight = mine;
    const done = () => {
      if (flight === mine) flight = null;
    };
    // Whoever does not wait for it reads `error`.
    mine.then(done, done);
    return mine;
  };

  const list: LiveList = {
    ...values,
    loadMore: (n = limit) =>
      status.get() === 'ready' && next === null ? Promise.resolve({ done: true }) : load(n, status.get() !== 'ready'),
    refresh: () => handled(load(Math.max(limit, ids.size), true).then(() => {})),
    dispose() {
      generation++;
      host.closed(list);
    },
    enter(alerts) {
      const last = items.get().at(-1);
      for (const alert of alerts) if (fits(alert) && (next === null || !last || alert.id > last.id)) ids.add(alert.id);
      render();
    },
    render,
    seed(state) {
      if (state) {
        generation++;
        ids = new Set(state.ids);
        show(state.next);
      } else if (host.ready() && !flight) load(limit, true).catch(() => {});
    },
    clear() {
      generation++;
      flight = null;
      ids.clear();
      next = null;
      hasMore.set(false);
      status.set('loading');
      render();
    },
    state(rows) {
      if (status.get() !== 'ready') return null;
      const shown = items.get().map((row) => row.id);
      return shown.length > rows ? { ids: shown.slice(0, rows), next: shown[rows - 1] ?? null } : { ids: shown, next };
    },
    trim(keep) {
      const rest = list.state(keep);
      if (rest && rest.ids.length < ids.size) list.seed(rest);
    },
  };
  return list;
}
