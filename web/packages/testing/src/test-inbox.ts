/** The rows of a test client, its unread number, and the lists made of them. */

import type { AnyAlert, BelfryError, Filter, List, Target } from '@belfry/client';
import { Value } from './value.js';

const PAGE = 25;

type State = AnyAlert['state'];

/** What a test client holds in place of a server's inbox. */
export class TestInbox {
  /** The default list. */
  readonly alerts: Value<readonly AnyAlert[]>;
  readonly unread: Value<number>;
  readonly #lists = new Set<TestList>();
  #rows: readonly AnyAlert[];
  #older: readonly AnyAlert[];
  /** Unread ones that a server would count and this inbox does not have. */
  #unseenUnread: number;

  constructor(rows: readonly AnyAlert[], older: readonly AnyAlert[], unread: number | undefined) {
    this.#rows = [...rows];
    this.#older = [...older];
    this.#unseenUnread = unread === undefined ? 0 : unread - count([...rows, ...older]);
    this.alerts = new Value<readonly AnyAlert[]>(this.#rows.filter((row) => !row.state.archived));
    this.unread = new Value(unread ?? count([...rows, ...older]));
  }

  find(id: string): AnyAlert | undefined {
    return this.everything().find((row) => row.id === id);
  }

  /** What is loaded and what `loadMore` would bring, newest first. */
  everything(): readonly AnyAlert[] {
    return [...this.#rows, ...this.#older];
  }

  nextSeq(stream: AnyAlert['stream']): number {
    return Math.max(0, ...this.everything().map((row) => (row.stream === stream ? row.seq : 0))) + 1;
  }

  /** A new alert at the top. One with a known id takes the old one's place. */
  add(alert: AnyAlert): void {
    this.#rows = [alert, ...this.#rows.filter((row) => row.id !== alert.id)];
    this.#publish();
    for (const list of this.#lists) list.arrived(alert);
  }

  /** Changes the state of these rows; answers those that changed. */
  change(ids: readonly string[], state: Partial<State>): readonly AnyAlert[] {
    const changed = new Map<string, AnyAlert>();
    const apply = (row: AnyAlert): AnyAlert => {
      const next = { ...row.state, ...state };
      if (!ids.includes(row.id) || same(row.state, next)) return row;
      const copy = { ...row, state: next };
      changed.set(row.id, copy);
      return copy;
    };
    this.#rows = this.#rows.map(apply);
    this.#older = this.#older.map(apply);
    if (changed.size > 0) this.#publish();
    for (const list of this.#lists) list.changed(changed);
    return [...changed.values()];
  }

  /** The alert leaves every list, as one that was recalled or expired. */
  remove(id: string): void {
    this.#rows = this.#rows.filter((row) => row.id !== id);
    this.#older = this.#older.filter((row) => row.id !== id);
    this.#publish();
    for (const list of this.#lists) list.left(id);
  }

  /** The number as the server says it. */
  setUnread(unread: number): void {
    this.#unseenUnread = unread - count(this.everything());
    this.unread.set(unread);
  }

  loadMore(n: number = PAGE): { done: boolean } {
    this.#rows = [...this.#rows, ...this.#older.slice(0, n)];
    this.#older = this.#older.slice(n);
    this.#publish();
    return { done: this.#older.length === 0 };
  }

  clear(): void {
    this.#rows = [];
    this.#older = [];
    this.#unseenUnread = 0;
    this.#publish();
    for (const list of this.#lists) list.reload();
  }

  list(filter: Filter): List {
    const list = new TestList(this, filter, () => this.#lists.delete(list));
    this.#lists.add(list);
    return list;
  }

  /** Every open list shows this. */
  setStatus(status: 'loading' | 'ready' | 'error', error: BelfryError | null): void {
    for (const list of this.#lists) {
      list.error.set(error);
      list.status.set(status);
    }
  }

  get openLists(): number {
    return this.#lists.size;
  }

  #publish(): void {
    this.alerts.set(this.#rows.filter((row) => !row.state.archived));
    this.unread.set(Math.max(0, this.#unseenUnread + count(this.everything())));
  }
}

class TestList implements List {
  readonly items: Value<readonly AnyAlert[]> = new Value<readonly AnyAlert[]>([]);
  readonly status: Value<'loading' | 'ready' | 'error'> = new Value<'loading' | 'ready' | 'error'>('ready');
  readonly hasMore: Value<boolean> = new Value(false);
  readonly error: Value<BelfryError | null> = new Value<BelfryError | null>(null);
  readonly #inbox: TestInbox;
  readonly #filter: Filter;
  readonly #closed: () => void;
  #rest: readonly AnyAlert[] = [];

  constructor(inbox: TestInbox, filter: Filter, closed: () => void) {
    this.#inbox = inbox;
    this.#filter = filter;
    this.#closed = closed;
    this.reload();
  }

  reload(): void {
    const page = this.#filter.limit ?? PAGE;
    const rows = this.#inbox.everything().filter((row) => matches(row, this.#filter));
    this.#show(rows.slice(0, page), rows.slice(page));
  }

  async loadMore(n: number = this.#filter.limit ?? PAGE): Promise<{ done: boolean }> {
    this.#show([...this.items.get(), ...this.#rest.slice(0, n)], this.#rest.slice(n));
    return { done: this.#rest.length === 0 };
  }

  async refresh(): Promise<void> {
    this.error.set(null);
    this.status.set('ready');
    this.reload();
  }

  dispose(): void {
    this.#closed();
  }

  arrived(alert: AnyAlert): void {
    if (!matches(alert, this.#filter)) return;
    this.items.set([alert, ...this.items.get().filter((row) => row.id !== alert.id)]);
  }

  /** A row that was read stays in a list of unread ones until it is refreshed; one that was archived leaves. */
  changed(rows: ReadonlyMap<string, AnyAlert>): void {
    const archived = this.#filter.archived ?? false;
    const apply = (row: AnyAlert): AnyAlert => rows.get(row.id) ?? row;
    if (![...this.items.get(), ...this.#rest].some((row) => rows.has(row.id))) return;
    const stays = (row: AnyAlert): boolean => row.state.archived === archived;
    this.#show(this.items.get().map(apply).filter(stays), this.#rest.map(apply).filter(stays));
  }

  left(id: string): void {
    const stays = (row: AnyAlert): boolean => row.id !== id;
    if (this.items.get().every(stays) && this.#rest.every(stays)) return;
    this.#show(this.items.get().filter(stays), this.#rest.filter(stays));
  }

  #show(shown: readonly AnyAlert[], rest: readonly AnyAlert[]): void {
    this.#rest = rest;
    this.hasMore.set(rest.length > 0);
    this.items.set(shown);
  }
}

/** The ids a target names. */
export function idsOf(target: Target): readonly string[] {
  const one = (entry: string | AnyAlert): string => (typeof entry === 'string' ? entry : entry.id);
  return isList(target) ? target.map(one) : [one(target)];
}

function isList(target: Target): target is readonly (string | AnyAlert)[] {
  return Array.isArray(target);
}

function count(rows: readonly AnyAlert[]): number {
  return rows.filter((row) => !row.state.read && !row.state.archived).length;
}

function matches(row: AnyAlert, filter: Filter): boolean {
  return (
    row.state.archived === (filter.archived ?? false) &&
    (filter.kinds === undefined || filter.kinds.includes(row.kind)) &&
    (filter.category === undefined || filter.category === row.category) &&
    (filter.unread === undefined || filter.unread === !row.state.read)
  );
}

function same(a: State, b: State): boolean {
  return a.seen === b.seen && a.read === b.read && a.archived === b.archived && a.acted === b.acted;
}
