/** A server that keeps one person's inbox and numbers it, as the real one does. No sockets: it makes frames. */

import type {
  Ack,
  Change,
  ChangedItem,
  ChangedTo,
  DoNotDisturbState,
  InboxPage,
  Item,
  ItemState,
  ServerMessage,
  Stream,
} from '@belfry/protocol';

const TIME = '2026-01-01T00:00:00.000Z';
const FRESH: ItemState = { seen: false, read: false, archived: false, acted: false };

type Heads = Record<Stream, number>;

export interface Entry {
  readonly id: string;
  readonly kind: string;
  readonly stream: Stream;
  readonly seq: number;
  readonly title: string;
  readonly at: string;
  /** Where a person marked it: the change's place in the user's stream. */
  marked: number;
  state: ItemState;
  /** Why it left, and the change's place in its stream. */
  left: [ChangedTo, number] | null;
}

/** A frame, or the rest of an answer: the store is read when its turn comes. */
export type Wire = ServerMessage | { rest: true; after: Heads; to: Heads };

export interface PublishOptions {
  stream?: Stream;
  kind?: string;
  title?: string;
  replaces?: Entry;
  at?: string;
  /** Fields of the item. */
  item?: Partial<Item>;
}

export class ModelServer {
  epoch = '9f1c22ab00e1d2c3';
  user = 'ann';
  heads: Heads = { user: 0, all: 0 };
  entries: Entry[] = [];
  page = 100;
  doNotDisturb: DoNotDisturbState = { active: false, until: null, schedule: [], time_zone: null };
  /** On the way to the client; `null`: it is not connected and resumed. */
  down: Wire[] = [];
  live = false;
  acks: Ack[] = [];
  readonly #fields = new Map<string, Partial<Item>>();

  cursor(heads: Heads = this.heads): string {
    return `${this.epoch}.${heads.user}.${heads.all}`;
  }

  get unread(): number {
    return this.entries.filter((entry) => !entry.left && !entry.state.read && !entry.state.archived).length;
  }

  publish({ stream = 'user', kind = 'deal', replaces, ...options }: PublishOptions = {}): Entry {
    const seq = ++this.heads[stream];
    if (replaces) replaces.left = ['replaced', seq];
    const id = `id-${String(this.entries.length + 1).padStart(6, '0')}`;
    const { title = id, at = TIME } = options;
    const entry: Entry = { id, kind, stream, seq, title, at, marked: 0, state: FRESH, left: null };
    this.entries.push(entry);
    if (options.item) this.#fields.set(id, options.item);
    const { state: _, version: __, ...item } = this.item(entry);
    const live = replaces ? { ...item, replaces: [replaces.id] } : item;
    this.#send({ ...live, unread: this.unread });
    return entry;
  }

  change(entries: Entry[], to: ChangedTo): number {
    return this.#changed('user', to, (seq) => {
      for (const entry of entries) this.#mark(entry, to, seq);
      return { ids: entries.map((entry) => entry.id), state: to };
    });
  }

  readUpTo(heads: Heads = this.heads): number {
    const up_to = this.cursor(heads);
    return this.#changed('user', 'read', (seq) => {
      for (const entry of this.entries)
        if (!entry.left && entry.seq <= heads[entry.stream]) this.#mark(entry, 'read', seq);
      return { up_to, state: 'read' };
    });
  }

  recall(entry: Entry): void {
    this.#changed(entry.stream, 'recalled', (seq) => {
      entry.left = ['recalled', seq];
      return { ids: [entry.id], state: 'recalled' };
    });
  }

  established(extra: object = {}): ServerMessage {
    const data = {
      connection_id: 'connection-1',
      user_id: this.user,
      head: this.cursor(),
      unread: this.unread,
      do_not_disturb: this.doNotDisturb,
      preferences_rev: 1,
      heartbeat: { interval_ms: 30_000, timeout_ms: 10_000 },
      ack: 'frames' as const,
      token_expires_at: null,
      server: { node: 'a', version: '1' },
      ...extra,
    };
    return { type: 'connection-established', data, timestamp: TIME };
  }

  ping(): ServerMessage {
    return { type: 'ping', data: { heads: { ...this.heads }, unread: this.unread }, timestamp: TIME };
  }

  resume(cursor: string | null | undefined, max: number | null | undefined): void {
    this.live = true;
    if (!cursor) return;
    const from = headsOf(cursor);
    const foreign = !cursor.startsWith(`${this.epoch}.`);
    if (foreign || (max && this.#newer(from).length > max)) {
      const { items, next } = this.inbox(new URLSearchParams({ limit: '3' }));
      const reason = foreign ? ('epoch-foreign' as const) : ('too-much' as const);
      const data = { cursor: this.cursor(), unread: this.unread, items, next, reason };
      this.down.push({ type: 'reset', data, timestamp: TIME });
    } else this.catchUp(from);
  }

  /** What changed and what is new since then: the changes now, the items page by page when their turn comes. */
  catchUp(from: Heads): void {
    const cursor = this.cursor(from);
    const changes: ChangedItem[] = this.entries
      .filter((entry) => entry.seq <= from[entry.stream] && changedAfter(entry, from))
      .map((entry) => {
        const { id, left, state } = entry;
        return left ? { id, version: left[1], left: left[0] } : { id, version: versionOf(entry), state };
      });
    for (let at = 0; at < changes.length; at += this.page) {
      const page = changes.slice(at, at + this.page);
      const data = { changes: page, items: [], covers: { after: cursor, to: cursor }, unread: this.unread, more: true };
      this.down.push({ type: 'catch-up', data, timestamp: TIME });
    }
    this.down.push({ rest: true, after: { ...from }, to: { ...this.heads } });
  }

  /** The session's queue was full: frames at its end are dropped, and the store is read from what was sent. */
  lag(frames: number): void {
    const sent = { ...this.heads };
    for (let dropped = 0; dropped < frames; dropped++) {
      const last = this.down.at(-1);
      if (!last || !('rest' in last || 'seq' in last)) break;
      this.down.pop();
      if ('rest' in last) {
        Object.assign(sent, last.after);
        break;
      }
      sent[last.stream] = Math.min(sent[last.stream], last.seq - 1);
    }
    this.catchUp(sent);
  }

  /** The next frame of those on their way. */
  next(): ServerMessage | undefined {
    const frame = this.down.shift();
    if (!frame || !('rest' in frame)) return frame;
    const { after, to } = frame;
    const found = this.#newer(after).filter((entry) => entry.seq <= to[entry.stream]);
    found.sort((a, b) => (a.stream === b.stream ? a.seq - b.seq : a.stream === 'user' ? -1 : 1));
    const entries = found.slice(0, this.page);
    const more = found.length > this.page;
    const reached = { ...(more ? after : to) };
    for (const { stream, seq } of more ? entries : []) {
      reached[stream] = seq;
      if (stream === 'all') reached.user = to.user;
    }
    if (more) this.down.unshift({ rest: true, after: reached, to });
    const covers = { after: this.cursor(after), to: this.cursor(reached) };
    const items = entries.map((entry) => this.item(entry));
    return { type: 'catch-up', data: { changes: [], items, covers, unread: this.unread, more }, timestamp: TIME };
  }

  /** `GET /v1/inbox`. */
  inbox(query: URLSearchParams = new URLSearchParams()): InboxPage {
    const before = query.get('before');
    const limit = Number(query.get('limit') ?? 25);
    const unread = query.get('unread');
    const fits = ({ id, left, state, kind }: Entry): boolean =>
      !left &&
      (before === null || id < before) &&
      state.archived === (query.get('archived') === 'true') &&
      (unread === null || state.read !== (unread === 'true')) &&
      (query.get('kind') ?? kind) === kind;
    const found = this.entries.filter(fits).reverse();
    const items = found.slice(0, limit).map((entry) => this.item(entry));
    const next = found.length > limit ? (items.at(-1)?.id ?? null) : null;
    return { items, next, complete_to: this.cursor(), unread: this.unread };
  }

  item(entry: Entry): Item {
    const { id, kind, stream, seq, title, state } = entry;
    return {
      type: kind,
      data: { n: seq },
      timestamp: entry.at,
      id,
      stream,
      title,
      body: null,
      severity: 'info',
      category: kind,
      link: null,
      thread: null,
      expires_at: null,
      seq,
      version: versionOf(entry),
      state,
      quiet: false,
      ...this.#fields.get(id),
    };
  }

  #newer(heads: Heads): Entry[] {
    return this.entries.filter((entry) => !entry.left && entry.seq > heads[entry.stream]);
  }

  #mark(entry: Entry, to: ChangedTo, seq: number): void {
    entry.state = applied(entry.state, to);
    entry.marked = seq;
  }

  #changed(stream: Stream, _to: ChangedTo, make: (seq: number) => Change): number {
    const seq = ++this.heads[stream];
    const changes = [make(seq)];
    this.#send({ type: 'inbox-changed', stream, seq, data: { changes, unread: this.unread }, timestamp: TIME });
    return seq;
  }

  #send(frame: ServerMessage): void {
    if (this.live) this.down.push(frame);
  }
}

/** What the real store makes of a state. */
function applied(state: ItemState, to: ChangedTo): ItemState {
  switch (to) {
    case 'seen':
      return { ...state, seen: true };
    case 'read':
      return { ...state, seen: true, read: true };
    case 'unread':
      return state.archived ? state : { ...state, read: false };
    case 'archived':
      return { ...state, seen: true, read: true, archived: true };
    case 'unarchived':
      return { ...state, archived: false };
    case 'acted':
      return { ...state, seen: true, read: true, acted: true };
    default:
      return state;
  }
}

const versionOf = ({ left, marked, seq }: Entry): number => left?.[1] ?? (marked > 0 ? marked : seq);

const changedAfter = ({ left, marked, stream }: Entry, heads: Heads): boolean =>
  (!!left && left[1] > heads[stream]) || marked > heads.user;

export function headsOf(cursor: string): Heads {
  const [, user, all] = cursor.split('.').map(Number);
  return { user: user ?? 0, all: all ?? 0 };
}
