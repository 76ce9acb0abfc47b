// One user's inbox and position, moved by frames alone: no socket, no clock, no page.

const KEEP_ITEMS = 300;
const FRESH = { seen: false, read: false, archived: false, acted: false };

/** `epoch.user.all`; null where the text is none. */
export function parseCursor(text) {
  const parts = /^([0-9a-f]+)\.(\d+)\.(\d+)$/.exec(text ?? '');
  return parts && { epoch: parts[1], user: Number(parts[2]), all: Number(parts[3]) };
}

export const cursorText = (cursor) => `${cursor.epoch}.${cursor.user}.${cursor.all}`;

/** What a change makes of a state; null: the item leaves the list. */
function changed(state, to) {
  switch (to) {
    case 'seen':
      return { ...state, seen: true };
    case 'read':
      return { ...state, seen: true, read: true };
    case 'unread':
      return { ...state, read: false };
    case 'archived':
      return { ...state, read: true, archived: true };
    case 'unarchived':
      return { ...state, archived: false };
    case 'acted':
      return { ...state, seen: true, read: true, acted: true };
    case 'expired':
    case 'recalled':
    case 'replaced':
    case 'removed':
      return null;
    default:
      return state;
  }
}

export class Items {
  /** By id. */
  #items = new Map();
  /** Everything up to here was applied. */
  cursor = null;
  /** The server's number; never counted here. */
  unread = 0;
  /** For the page of older items. */
  next = null;

  /** Newest first: ids order alerts by acceptance. */
  list() {
    return [...this.#items.values()].sort((a, b) => (a.id < b.id ? 1 : -1));
  }

  get(id) {
    return this.#items.get(id);
  }

  /** A page of `GET /v1/inbox`: the first one sets the position. */
  applyPage(page, first) {
    for (const item of page.items) this.#put(item);
    this.next = page.next;
    if (!first) return;
    this.cursor = parseCursor(page.complete_to);
    this.unread = page.unread;
  }

  /** A live alert or change: `applied`, `old`, or `hole` where something before it is missing. */
  applyLive(frame) {
    if (!this.cursor) return 'hole';
    const at = this.cursor[frame.stream];
    if (frame.seq <= at) return 'old';
    if (frame.seq > at + 1) return 'hole';
    this.cursor = { ...this.cursor, [frame.stream]: frame.seq };
    if (frame.type === 'inbox-changed') {
      for (const change of frame.data.changes) this.#change(change, frame);
      this.unread = frame.data.unread;
    } else {
      for (const id of frame.replaces ?? []) this.#items.delete(id);
      this.#put({ ...frame, state: FRESH, version: frame.seq });
      this.unread = frame.unread ?? this.unread;
    }
    return 'applied';
  }

  /** The answer to a resume; gives the items that are new here. */
  applyCatchUp(data) {
    for (const change of data.changes) {
      const item = this.#items.get(change.id);
      // Announcements are born in one numbering and change in another: only the own stream can be compared.
      if (!item || (item.stream === 'user' && change.version <= item.version)) continue;
      if (change.state) this.#items.set(item.id, { ...item, state: change.state, version: change.version });
      else this.#items.delete(item.id);
    }
    const fresh = data.items.filter((item) => this.#put(item));
    this.cursor = parseCursor(data.covers.to) ?? this.cursor;
    this.unread = data.unread;
    return fresh;
  }

  /** Another numbering, or too much is missing: the list starts over. */
  applyReset(data) {
    this.#items.clear();
    for (const item of data.items) this.#put(item);
    this.cursor = parseCursor(data.cursor);
    this.unread = data.unread;
    this.next = data.next;
  }

  /** Shows a wish at once; the server's frame settles it. */
  expect(ids, to) {
    for (const id of ids) {
      const item = this.#items.get(id);
      const state = item && changed(item.state, to);
      if (state) this.#items.set(id, { ...item, state });
    }
  }

  save() {
    const { cursor, unread, next } = this;
    return { cursor, unread, next, items: this.list() };
  }

  load(saved) {
    if (!saved?.cursor || !Array.isArray(saved.items)) return;
    for (const item of saved.items) this.#put(item);
    this.cursor = saved.cursor;
    this.unread = saved.unread;
    this.next = saved.next;
  }

  #put(item) {
    const known = this.#items.get(item.id);
    if (known && (item.version ?? 0) <= known.version) return false;
    this.#items.set(item.id, { ...item, state: item.state ?? FRESH, version: item.version ?? item.seq });
    if (this.#items.size > KEEP_ITEMS * 1.2) {
      for (const old of this.list().slice(KEEP_ITEMS)) this.#items.delete(old.id);
    }
    return !known;
  }

  #change(change, frame) {
    const upTo = parseCursor(change.up_to);
    const reached = (item) => upTo && item.seq <= upTo[item.stream];
    const targets = change.ids ?? this.list().filter(reached).map((item) => item.id);
    for (const id of targets) {
      const item = this.#items.get(id);
      if (!item) continue;
      const state = changed(item.state, change.state);
      // A person's own stream numbers the versions, also those of announcements.
      if (state) this.#items.set(id, { ...item, state, version: Math.max(item.version, frame.seq) });
      else this.#items.delete(id);
    }
  }
}
