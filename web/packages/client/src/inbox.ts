/**
 * One person's inbox, moved by frames alone: no socket, no clock. Every tab runs it over the same frames in the same
 * order, so all of them end at the same list. What only the leader acts on stands in the outcome.
 */

import type {
  Ack,
  AlertId,
  CatchUp,
  Change,
  ChangedTo,
  ClientFrame,
  Cursor,
  DoNotDisturbState,
  InboxPage,
  Item,
  ItemState,
  ServerFrame,
  ServerMessage,
  Stream,
} from '@belfry/protocol';
import type { Arrival } from './attention/attention.js';
import { cursorText, isBeyond, type Place, parseCursor } from './cursor.js';
import type { AnyAlert } from './types.js';

/** More than this missing: the newest page instead of all of it. */
const RESUME_MAX = 500;
/** Most ids in one frame: an id takes 39 bytes, and the server takes frames of 16 KiB. */
const IDS_PER_FRAME = 256;
/** Resumes in a row that bring nothing before the connection is given up. */
const FRUITLESS_MAX = 3;
const FRESH: ItemState = { seen: false, read: false, archived: false, acted: false };

type Heads = Record<Stream, number>;

/** Plain data, so that it can be handed to another tab as it is. */
export interface Inbox {
  /** Everything up to here was applied; `null` before the first page. */
  at: Place | null;
  /** The server's last word; `null` before the first. */
  unread: number | null;
  settings: DoNotDisturbState | null;
  rows: Map<AlertId, AnyAlert>;
  /** The last change of each row, in the numbering of the user's stream. */
  versions: Map<AlertId, number>;
  /** A `resume` is under way. */
  asking: boolean;
  /** Where the answer that is being set aside goes on. */
  aside: Cursor | null;
  fruitless: number;
  receipts: { from: Heads; confirmed: Heads; applied: Heads; ids: AlertId[]; page: AlertId[] };
}

/** What follows from a frame. */
export interface Outcome {
  /** New alerts, oldest first. */
  arrived: AnyAlert[];
  how: Arrival;
  /** Rows that changed or left. */
  changed: Set<AlertId>;
  /** The position means nothing to the server: every list starts over, the default one with these. */
  reset?: InboxPage;
  /** Ask the server what is missing. */
  resume?: ClientFrame;
  /** There is no position yet: the first page gives one, or else this one, where the server stands. */
  unplaced?: Place;
  /** This connection cannot close the gap. */
  abandon?: boolean;
}

export function createInbox(): Inbox {
  return {
    at: null,
    unread: null,
    settings: null,
    rows: new Map(),
    versions: new Map(),
    asking: false,
    aside: null,
    fruitless: 0,
    receipts: receiptsFrom({ user: 0, all: 0 }),
  };
}

/** Applies one frame of the server. */
export function receive(inbox: Inbox, message: ServerMessage): Outcome {
  const out: Outcome = { arrived: [], how: 'live', changed: new Set() };
  if ('id' in message) {
    onAlert(inbox, message, out);
  } else if (message.type === 'connection-established') {
    const { head, unread, do_not_disturb } = message.data;
    Object.assign(inbox, { unread, settings: do_not_disturb, fruitless: 0, aside: null });
    const there = parseCursor(head);
    if (!inbox.at) {
      if (there) out.unplaced = there;
    } else {
      // Under another numbering our receipts would confirm alerts that never came here; under this one a receipt that
      // was lost with the last connection does no harm twice.
      if (there && isBeyond(inbox.at, there)) startReceipts(inbox, inbox.at);
      else confirmAgain(inbox);
      resume(inbox, out);
    }
  } else if (message.type === 'inbox-changed') {
    onChanged(inbox, message, out);
  } else if (message.type === 'catch-up') {
    out.how = 'catch-up';
    onCatchUp(inbox, message.data, out);
  } else if (message.type === 'reset') {
    const { cursor, ...page } = message.data;
    for (const id of inbox.rows.keys()) out.changed.add(id);
    inbox.rows.clear();
    inbox.versions.clear();
    out.reset = { ...page, complete_to: cursor };
    place(inbox, out.reset);
  } else if (message.type === 'settings-changed') {
    inbox.settings = message.data.do_not_disturb;
  } else if (message.type === 'ping') {
    const { heads, unread } = message.data;
    if (inbox.at && !inbox.asking && isBeyond({ ...inbox.at, ...heads }, inbox.at)) mindGap(inbox, out);
    inbox.unread = unread;
  } else if (message.type === 'error' && message.data.code === 'rate-limited') {
    // The server passed over frames of ours.
    confirmAgain(inbox);
  }
  return out;
}

/** The first page: the position, and rows that are confirmed by their ids because no range covers them. */
export function place(inbox: Inbox, page: InboxPage): void {
  const at = parseCursor(page.complete_to);
  if (!at) return;
  Object.assign(inbox, { at, unread: page.unread, asking: false, aside: null, fruitless: 0 });
  startReceipts(inbox, at);
  inbox.receipts.page = page.items.map((item) => item.id);
  confirmAgain(inbox);
  for (const item of page.items) put(inbox, item);
}

/** Starts at a position that was kept: what came after it is missing, what came before it was confirmed. */
export function startAt(inbox: Inbox, at: Place): void {
  inbox.at = at;
  startReceipts(inbox, at);
}

/** The question for what is missing; again where no answer came. */
export function ask(inbox: Inbox): ClientFrame | null {
  if (!inbox.at) return null;
  inbox.asking = true;
  return { type: 'resume', data: { cursor: cursorText(inbox.at), max: RESUME_MAX } };
}

/** Receipts for what was applied since the last call. Ranges begin where this unbroken run began. */
export function takeAcks({ receipts }: Inbox): Ack[] {
  const { from, confirmed, applied } = receipts;
  const acks: Ack[] = [];
  for (const stream of ['user', 'all'] as const) {
    if (applied[stream] <= confirmed[stream]) continue;
    confirmed[stream] = applied[stream];
    acks.push({ stream, after: from[stream], up_to: applied[stream], level: 'received' });
  }
  for (let ids = receipts.ids.splice(0); ids.length > 0; ids = ids.slice(IDS_PER_FRAME)) {
    acks.push({ ids: ids.slice(0, IDS_PER_FRAME), level: 'received' });
  }
  return acks;
}

/** Takes a row in, unless a newer state of it is here. Gives it as it is now. */
export function put(inbox: Inbox, item: Item): AnyAlert {
  const { rows, versions } = inbox;
  const version = versionOf(item);
  const known = rows.get(item.id);
  const had = versions.get(item.id) ?? 0;
  if (known && version <= had && (had > 0 || sameState(known.state, item.state ?? FRESH))) return known;
  const alert = toAlert(item);
  rows.set(item.id, alert);
  versions.set(item.id, version);
  return alert;
}

/** What a person's change does to the flags; any other one ends the row. */
const CHANGES: { readonly [to in ChangedTo]?: Partial<ItemState> } = {
  seen: { seen: true },
  read: { seen: true, read: true },
  unread: { read: false },
  archived: { seen: true, read: true, archived: true },
  unarchived: { archived: false },
  acted: { seen: true, read: true, acted: true },
};

/** What a change makes of a state; `null`: the row leaves. */
export function changedState(state: ItemState, to: ChangedTo): ItemState | null {
  const change = CHANGES[to];
  if (!change) return null;
  // What is out of the list counts as read, and stays so.
  return to === 'unread' && state.archived ? state : { ...state, ...change };
}

export const sameState = (a: ItemState, b: ItemState): boolean =>
  a.seen === b.seen && a.read === b.read && a.archived === b.archived && a.acted === b.acted;

/** A wire item as the application sees it. */
export function toAlert(item: Item): AnyAlert {
  const { type: kind, timestamp: createdAt, expires_at: expiresAt, image = null, actions = [], ...rest } = item;
  const { version: _, unread: __, replaces: ___, state = FRESH, link, ...same } = rest;
  // Nothing that runs when it is followed.
  const safe = link && /^(\/|https:)/.test(link) ? link : null;
  return { ...same, kind, createdAt, expiresAt, link: safe, image, actions, state } as AnyAlert;
}

function onAlert(inbox: Inbox, item: Item & { unread: number }, out: Outcome): void {
  if (!stepTo(inbox, item.stream, item.seq, out)) return;
  inbox.receipts.applied[item.stream] = item.seq;
  inbox.unread = item.unread;
  for (const id of item.replaces ?? []) leave(inbox, id, out);
  out.arrived.push(put(inbox, item));
}

function onChanged(inbox: Inbox, frame: Extract<ServerFrame, { type: 'inbox-changed' }>, out: Outcome): void {
  const { stream, seq, data } = frame;
  const marksUnknown = ({ up_to }: Change) => (parseCursor(up_to)?.all ?? 0) > (inbox.at?.all ?? 0);
  if (!inbox.asking && stream === 'user' && data.changes.some(marksUnknown)) {
    // Another device marked announcements that have not come here yet: they have to come as they are now.
    mindGap(inbox, out);
    return;
  }
  if (!stepTo(inbox, stream, seq, out)) return;
  for (const { ids, up_to, state: to } of data.changes) {
    const end = parseCursor(up_to);
    const below = (row: AnyAlert) => end && row.seq <= end[row.stream];
    for (const id of ids ?? [...inbox.rows.values()].filter(below).map((row) => row.id)) {
      const row = inbox.rows.get(id);
      const version = inbox.versions.get(id) ?? 0;
      if (!row || (stream === 'user' && version >= seq)) continue;
      setState(inbox, id, changedState(row.state, to), stream === 'user' ? seq : version, out);
    }
  }
  inbox.unread = data.unread;
}

function onCatchUp(inbox: Inbox, { changes, items, covers, unread, more }: CatchUp, out: Outcome): void {
  const to = parseCursor(covers.to);
  if (!inbox.at || !to) return;
  // The answer to an older question counts from a place that we have left. It is set aside to its end: a later frame of
  // it may begin where we stand, but the changes that belong to it were in the frames before.
  const goesOn = inbox.aside === covers.after;
  inbox.aside = null;
  if (goesOn || cursorText(inbox.at) !== covers.after) {
    if (more) inbox.aside = covers.to;
    if (!inbox.asking && isBeyond(to, inbox.at)) mindGap(inbox, out);
    return;
  }
  for (const { id, version, state } of changes) {
    if (state && version <= (inbox.versions.get(id) ?? 0)) continue;
    setState(inbox, id, state ?? null, version, out);
  }
  const at: Heads & { epoch: string } = { ...inbox.at };
  for (const item of items) {
    if (item.seq <= at[item.stream]) continue;
    at[item.stream] = item.seq;
    inbox.receipts.applied[item.stream] = item.seq;
    out.arrived.push(put(inbox, item));
  }
  // Only the half with items moves the position: a break between both halves must bring the changes again.
  if (items.length > 0 || !more) {
    at.user = Math.max(at.user, to.user);
    at.all = Math.max(at.all, to.all);
  }
  if (isBeyond(at, inbox.at)) inbox.fruitless = 0;
  Object.assign(inbox, { at, unread, asking: more });
}

/** One step, where the frame is the next one. A double is dropped, a gap asks for what is missing. */
function stepTo(inbox: Inbox, stream: Stream, seq: number, out: Outcome): boolean {
  const { at } = inbox;
  // What comes before the answer to a resume lies below the head that the answer reaches. Applied here, it would part
  // our position from the one the server answers for.
  if (!at || inbox.asking || seq <= at[stream]) return false;
  if (seq > at[stream] + 1) {
    mindGap(inbox, out);
    return false;
  }
  inbox.at = { ...at, [stream]: seq };
  inbox.fruitless = 0;
  return true;
}

function mindGap(inbox: Inbox, out: Outcome): void {
  if (inbox.fruitless++ >= FRUITLESS_MAX) out.abandon = true;
  else resume(inbox, out);
}

function resume(inbox: Inbox, out: Outcome): void {
  const frame = ask(inbox);
  if (frame) out.resume = frame;
}

function setState(inbox: Inbox, id: AlertId, state: ItemState | null, version: number, out: Outcome): void {
  const row = inbox.rows.get(id);
  if (!row) return;
  if (!state) {
    leave(inbox, id, out);
    return;
  }
  inbox.versions.set(id, version);
  if (sameState(row.state, state)) return;
  inbox.rows.set(id, { ...row, state });
  out.changed.add(id);
}

function leave(inbox: Inbox, id: AlertId, out: Outcome): void {
  inbox.versions.delete(id);
  if (inbox.rows.delete(id)) out.changed.add(id);
}

/** An announcement that nobody marked is versioned in its own stream, which says nothing about the user's. */
const versionOf = ({ stream, seq, version = seq }: Item): number =>
  stream === 'user' || version !== seq ? version : 0;

const receiptsFrom = (heads: Heads): Inbox['receipts'] => ({
  from: { ...heads },
  confirmed: { ...heads },
  applied: { ...heads },
  ids: [],
  page: [],
});

function startReceipts(inbox: Inbox, { user, all }: Place): void {
  inbox.receipts = receiptsFrom({ user, all });
}

function confirmAgain({ receipts }: Inbox): void {
  receipts.confirmed = { ...receipts.from };
  receipts.ids = [...receipts.page];
}
