/** What a fake server knows: alerts, whose they are, and what became of them. Pure: it makes frames, it sends none. */

import type {
  AlertId,
  CatchUp,
  Change,
  ChangedItem,
  ChangedTo,
  InboxPage,
  Item,
  ItemState,
  Level,
  ResetReason,
  ServerMessage,
  StateChange,
  Stream,
} from '@belfry/protocol';
import { applied, levels } from './fake-levels.js';

/** A position in each stream. */
export interface Heads {
  readonly user: number;
  readonly all: number;
}

/** An alert as it stands for one person. */
export interface Row {
  readonly item: Omit<Item, 'state' | 'version' | 'unread' | 'replaces' | 'quiet'>;
  readonly collapseKey: string | null;
  readonly quiet: boolean;
  state: ItemState;
  /** Where a person changed it last, in the numbering of their own stream; 0: never. */
  marked: number;
  level: Level | null;
  left: { readonly why: ChangedTo; readonly at: number } | null;
}

/** What all inboxes share: the time, the epoch, the numbers of the stream `all`. */
export interface Shared {
  epoch: string;
  allHead: number;
  timestamp(): string;
}

const PAGE = 100;
const FRESH: ItemState = { seen: false, read: false, archived: false, acted: false };

/** One person's inbox, numbered as the server numbers it. */
export class FakeInbox {
  readonly #shared: Shared;
  #head = 0;
  rows: Row[] = [];
  quiet = false;

  constructor(shared: Shared) {
    this.#shared = shared;
  }

  get heads(): Heads {
    return { user: this.#head, all: this.#shared.allHead };
  }

  get unread(): number {
    return this.rows.filter((row) => row.left === null && !row.state.read && !row.state.archived).length;
  }

  cursor(heads: Heads = this.heads): string {
    return `${this.#shared.epoch}.${heads.user}.${heads.all}`;
  }

  find(id: string): Row | undefined {
    return this.rows.find((row) => row.item.id === id);
  }

  /** A new alert. In the stream `all` its number was given by the caller; in the user's own it is given here. */
  add(item: Omit<Row['item'], 'seq'>, seq: number | null, how: Pick<Row, 'collapseKey' | 'quiet'>): ServerMessage {
    const number = seq ?? this.#next();
    const replaced = this.#replaced(how.collapseKey);
    for (const row of replaced) row.left = { why: 'replaced', at: number };
    const row: Row = { ...how, item: { ...item, seq: number }, state: FRESH, marked: 0, level: null, left: null };
    this.rows.push(row);
    const replaces = replaced.length === 0 ? {} : { replaces: replaced.map((one) => one.item.id) };
    return { ...row.item, ...replaces, quiet: row.quiet || this.quiet, unread: this.unread };
  }

  /** A person changes items: the frame that tells it, or `null` where nothing changed. */
  change(selection: { ids?: readonly string[] | null; up_to?: string | null }, to: StateChange): ServerMessage | null {
    const rows = this.#selected(selection).filter((row) => !same(row.state, applied(row.state, to)));
    if (rows.length === 0) return null;
    const seq = this.#next();
    for (const row of rows) {
      row.state = applied(row.state, to);
      row.marked = seq;
      if (to === 'seen' || to === 'read' || to === 'acted') this.raise(row, to);
    }
    const ids = rows.map((row) => row.item.id);
    return this.changed('user', seq, selection.up_to ? { up_to: selection.up_to, state: to } : { ids, state: to });
  }

  /** An alert leaves the list: recalled or expired. `at`: the change's number where it counts in the stream `all`. */
  leave(row: Row, why: ChangedTo, at: number | null): ServerMessage {
    const number = at ?? this.#next();
    row.left = { why, at: number };
    return this.changed(row.item.stream, number, { ids: [row.item.id], state: why });
  }

  changed(stream: Stream, seq: number, change: Change): ServerMessage {
    const data = { changes: [change], unread: this.unread };
    return { type: 'inbox-changed', stream, seq, data, timestamp: this.#shared.timestamp() };
  }

  /** Levels only rise. */
  raise(row: Row, level: Level): void {
    if (row.level === null || levels.indexOf(level) > levels.indexOf(row.level)) row.level = level;
  }

  page(query: URLSearchParams): InboxPage {
    const limit = Number(query.get('limit') ?? 25);
    const before = query.get('before');
    const flag = (name: string, value: boolean): boolean => (query.get(name) ?? String(value)) === String(value);
    const fits = ({ item, state, left }: Row): boolean =>
      left === null &&
      (before === null || item.id < before) &&
      state.archived === (query.get('archived') === 'true') &&
      flag('unread', !state.read) &&
      (query.get('kind') ?? item.type) === item.type &&
      (query.get('category') ?? item.category) === item.category;
    const found = this.rows.filter(fits).sort((a, b) => (a.item.id < b.item.id ? 1 : -1));
    const items = found.slice(0, limit).map((row) => this.#present(row));
    const next = found.length > limit ? (items.at(-1)?.id ?? null) : null;
    return { items, next, complete_to: this.cursor(), unread: this.unread };
  }

  /** What a client that stands at this cursor is told. `null`: it starts from here, live only. */
  resume(cursor: string | null | undefined, max: number | null | undefined): readonly ServerMessage[] {
    if (cursor === null || cursor === undefined) return [];
    const place = parse(cursor);
    if (place === null) return [this.#reset('cursor-unreadable')];
    if (place.epoch !== this.#shared.epoch) return [this.#reset('epoch-foreign')];
    if (place.heads.user > this.#head || place.heads.all > this.#shared.allHead) return [this.#reset('above-head')];
    const newer = this.rows.filter((row) => row.left === null && row.item.seq > place.heads[row.item.stream]);
    if (typeof max === 'number' && newer.length > max) return [this.#reset('too-much')];
    return this.#catchUp(place.heads, newer);
  }

  #catchUp(from: Heads, newer: readonly Row[]): readonly ServerMessage[] {
    const changes = this.rows
      .filter((row) => row.item.seq <= from[row.item.stream])
      .flatMap((row) => changeOf(row, from));
    const byPlace = (a: Row, b: Row): number =>
      a.item.stream === b.item.stream ? a.item.seq - b.item.seq : a.item.stream === 'user' ? -1 : 1;
    const items = [...newer].sort(byPlace);
    const frames: CatchUp[] = [];
    let at = from;
    // Changes stand before items and move nothing; the cursor moves with the items.
    for (let n = 0; n < changes.length; n += PAGE) {
      const covers = { after: this.cursor(at), to: this.cursor(at) };
      frames.push({ changes: changes.slice(n, n + PAGE), items: [], covers, unread: this.unread, more: true });
    }
    for (let n = 0; n === 0 || n < items.length; n += PAGE) {
      const page = items.slice(n, n + PAGE);
      const more = n + PAGE < items.length;
      const to = more ? reached(at, page, this.#head) : this.heads;
      const covers = { after: this.cursor(at), to: this.cursor(to) };
      frames.push({ changes: [], items: page.map((row) => this.#present(row)), covers, unread: this.unread, more });
      at = to;
    }
    return frames.map((data) => ({ type: 'catch-up', data, timestamp: this.#shared.timestamp() }));
  }

  #reset(reason: ResetReason): ServerMessage {
    const { items, next, unread, complete_to: cursor } = this.page(new URLSearchParams({ limit: String(PAGE) }));
    return { type: 'reset', data: { cursor, unread, items, next, reason }, timestamp: this.#shared.timestamp() };
  }

  #present(row: Row): Item {
    const { stream, seq } = row.item;
    const version = row.marked > 0 ? row.marked : stream === 'user' ? seq : this.#head;
    return { ...row.item, version, state: row.state, quiet: row.quiet };
  }

  #selected({ ids, up_to: upTo }: { ids?: readonly string[] | null; up_to?: string | null }): readonly Row[] {
    const here = this.rows.filter((row) => row.left === null);
    if (ids) return here.filter((row) => ids.includes(row.item.id));
    const place = upTo ? parse(upTo) : null;
    return place === null ? [] : here.filter((row) => row.item.seq <= place.heads[row.item.stream]);
  }

  #replaced(key: string | null): readonly Row[] {
    if (key === null) return [];
    const same = this.rows.filter((row) => row.left === null && !row.state.read && row.collapseKey === key);
    return same.slice(-1);
  }

  #next(): number {
    this.#head += 1;
    return this.#head;
  }
}

/** The rows that receipts of one stream name. */
export function inRange(rows: readonly Row[], stream: Stream, after: number, upTo: number): readonly Row[] {
  return rows.filter(({ item }) => item.stream === stream && item.seq > after && item.seq <= upTo);
}

/** An id in the form of a UUIDv7, ordered by its number. */
export function fakeId(number: number): AlertId {
  return `019ac5f2-0000-7000-8000-${number.toString(16).padStart(12, '0')}`;
}

function changeOf(row: Row, from: Heads): ChangedItem[] {
  const { id, stream } = row.item;
  if (row.left !== null) return row.left.at > from[stream] ? [{ id, version: row.left.at, left: row.left.why }] : [];
  return row.marked > from.user ? [{ id, version: row.marked, state: row.state }] : [];
}

function reached(from: Heads, page: readonly Row[], userHead: number): Heads {
  let { user, all } = from;
  for (const { item } of page) {
    if (item.stream === 'user') user = item.seq;
    else [user, all] = [userHead, item.seq];
  }
  return { user, all };
}

function parse(cursor: string): { readonly epoch: string; readonly heads: Heads } | null {
  const match = /^([0-9a-f]+)\.(\d+)\.(\d+)$/.exec(cursor);
  if (match === null) return null;
  return { epoch: match[1] ?? '', heads: { user: Number(match[2]), all: Number(match[3]) } };
}

function same(a: ItemState, b: ItemState): boolean {
  return a.seen === b.seen && a.read === b.read && a.archived === b.archived && a.acted === b.acted;
}
