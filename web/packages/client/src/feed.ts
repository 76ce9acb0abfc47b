/** What the person has: the inbox, the lists over it, and who hears what came. Fed by frames in every tab alike. */

import type { AlertId, DoNotDisturbState, InboxPage, ServerMessage } from '@belfry/protocol';
import type { Arrival, Attention } from './attention/attention.js';
import type { LifeEvent } from './connection.js';
import { cursorText, isBeyond, type Place, parseCursor } from './cursor.js';
import type { Events } from './events.js';
import { failure } from './failure.js';
import { ask, createInbox, type Inbox, type Outcome, place, put, receive, startAt, takeAcks } from './inbox.js';
import { createList, type ListState, type LiveList } from './list.js';
import { emitter } from './readable.js';
import type { Call } from './rest.js';
import type { AnyAlert, Clock, Filter } from './types.js';
import type { ListValues, Values } from './values.js';

/** Receipts of what comes in a row go out together. */
const ACK_AFTER_MS = 100;
const KEEP_AFTER_MS = 500;
/** No answer to a `resume`: it is asked again. */
const ANSWER_MS = 10_000;
const HANDED_ROWS = 50;

export interface FeedHost {
  readonly clock: Clock;
  readonly call: Call;
  readonly events: () => Events;
  readonly attention: () => Pick<Attention, 'arrived' | 'changed' | 'doNotDisturbChanged'>;
  report(error: unknown): void;
  /** This tab's connection is the one that counts. */
  leads(): boolean;
  isConnected(): boolean;
  /** Whether pages can be asked for. */
  ready(): boolean;
  /** To this tab's connection. */
  send(type: string, data: unknown): void;
  life(event: LifeEvent): void;
  /** Worth keeping for the next visit. */
  keep(): void;
}

/** Everything of it, for another tab or another visit. */
export interface FeedState {
  readonly inbox: Inbox;
  readonly list: ListState | null;
}

export interface Feed {
  inbox(): Inbox;
  apply(message: ServerMessage): void;
  /** This tab's connection is older than its lead: what is missing has yet to be asked for. */
  resume(): void;
  /** The newest page gives the position. */
  start(head?: Place): Promise<void>;
  startAt(at: Place, unread: number): void;
  changed(ids: Iterable<AlertId>): void;
  list(filter: Filter, values: ListValues): LiveList;
  loadMore(n?: number): Promise<{ done: boolean }>;
  /** Where it stands. */
  cursor(): string | null;
  cursorAt(alert: AnyAlert): string;
  state(): FeedState;
  /** Goes on where another one stood; `false`: this one is as far. */
  adopt(state: FeedState): boolean;
  /** Nothing happens by itself any more. */
  rest(): void;
  clear(): void;
}

/** `keep`: how many rows the default list has at most, once nobody pages in it. */
export function createFeed(host: FeedHost, values: Values, keep = 200): Feed {
  const { clock, call, report } = host;
  const { unread, doNotDisturb } = values;
  const settled = emitter<[]>(report);
  const lists = new Set<LiveList>();
  const timers = new Map<() => void, unknown>();
  let inbox = createInbox();
  let shownRows = keep;
  let shownSettings: DoNotDisturbState | null = null;

  /** Once, whoever asks for it meanwhile. */
  const after = (ms: number, run: () => void) => {
    if (timers.has(run)) return;
    const due = () => {
      timers.delete(run);
      run();
    };
    timers.set(run, clock.setTimeout(due, ms));
  };
  const cancel = (run: () => void) => {
    clock.clearTimeout(timers.get(run));
    timers.delete(run);
  };
  const open = (filter: Filter, shown: ListValues): LiveList => {
    const list = createList(filter, shown, {
      row: (id) => inbox.rows.get(id),
      page,
      ready: host.ready,
      closed(closed) {
        lists.delete(closed);
        sweep();
      },
    });
    lists.add(list);
    return list;
  };

  const showNumbers = () => {
    if (inbox.unread !== null) unread.set(inbox.unread);
    if (!inbox.settings || inbox.settings === shownSettings) return;
    shownSettings = inbox.settings;
    const { time_zone: timeZone, ...setting } = shownSettings;
    doNotDisturb.set({ ...setting, timeZone });
    host.attention().doNotDisturbChanged();
  };
  const apply = (message: ServerMessage) => {
    const outcome = receive(inbox, message);
    const { arrived, how, changed: gone, reset } = outcome;
    showNumbers();
    if (reset) {
      for (const list of lists) {
        list.clear();
        list.seed(list === alerts ? listOf(reset) : undefined);
      }
    }
    for (const list of lists) list.enter(arrived);
    changed(gone);
    host.events().frame(message);
    tell(arrived, how);
    if (outcome.unplaced) void start(outcome.unplaced);
    if (outcome.abandon) host.life({ on: 'end', code: 1006 });
    else if (outcome.resume) resume(outcome);
    caughtUp();
    after(KEEP_AFTER_MS, kept);
    after(ACK_AFTER_MS, acknowledge);
  };
  const tell = (arrived: readonly AnyAlert[], how: Arrival) => {
    if (arrived.length === 0) return;
    host.events().alerts(arrived, how);
    host.attention().arrived(arrived, how);
  };
  const changed = (ids: Iterable<AlertId>) => {
    const all = [...ids];
    if (all.length === 0) return;
    for (const list of lists) list.render();
    for (const id of all) host.attention().changed(id, inbox.rows.get(id) ?? null);
  };
  const caughtUp = () => {
    const complete = !!inbox.at && !inbox.asking;
    if (host.leads()) host.life({ on: 'caught-up', yes: complete });
    if (!complete) return;
    cancel(askAgain);
    settled.emit();
    for (const list of lists) if (list.status.get() === 'loading') list.seed();
  };
  const resume = (outcome?: Outcome) => {
    const frame = outcome?.resume ?? ask(inbox);
    if (!frame) return;
    if (host.leads()) host.send('resume', frame.data);
    cancel(askAgain);
    after(ANSWER_MS, askAgain);
  };
  const askAgain = () => {
    if (!inbox.asking) return;
    // A follower missed something that the leader had: the page says where everything is.
    if (host.leads()) resume();
    else void start();
  };
  const acknowledge = () => {
    if (host.leads() && host.isConnected()) for (const ack of takeAcks(inbox)) host.send('ack', ack);
  };
  const kept = () => {
    sweep();
    host.keep();
  };

  /** A page that is no older than what was applied. */
  const fresh = async (query: string, wait: boolean): Promise<InboxPage> => {
    const mine = inbox;
    for (let tries = 0; ; tries++) {
      const found = await call<InboxPage>('GET', `v1/inbox?${query}`);
      if (wait && inbox.asking && host.isConnected()) {
        await new Promise<void>((resolve) => {
          const stop = settled.add(() => {
            stop();
            resolve();
          });
        });
      }
      if (mine !== inbox) throw failure('user-changed');
      const to = parseCursor(found.complete_to);
      // Changes that came while it was on its way are not in it, and would be lost for its rows.
      if (to && inbox.at && to.epoch === inbox.at.epoch && isBeyond(inbox.at, to) && tries < 3) continue;
      return found;
    }
  };
  async function page(query: URLSearchParams): Promise<InboxPage> {
    const found = await fresh(String(query), true);
    for (const item of found.items) put(inbox, item);
    if (!host.isConnected()) unread.set(found.unread);
    return found;
  }
  const start = async (head?: Place): Promise<void> => {
    const mine = inbox;
    try {
      const found = await fresh('limit=25', false);
      // It came to lead meanwhile: a leader's position moves by frames alone, which every other tab gets as well.
      if (inbox.at && host.leads()) return;
      // What came since the connection opened is news, though the page has it: it is asked for, as what was missed.
      const at = earlier(head, parseCursor(found.complete_to));
      place(inbox, at ? { ...found, complete_to: cursorText(at) } : found);
      showNumbers();
      alerts.seed(listOf(found));
      const known = [...alerts.items.get()].reverse();
      tell(at ? known.filter(({ stream, seq }) => seq <= at[stream]) : known, 'page');
      if (host.leads()) resume();
      caughtUp();
      after(ACK_AFTER_MS, acknowledge);
    } catch (error) {
      if (mine !== inbox) return;
      report(error);
      if (!head || inbox.at) return;
      // What comes from now on comes all the same; the list says what it lacks.
      startAt(inbox, head);
      resume();
    }
  };
  /** Rows that no list shows any more are let go. */
  const sweep = () => {
    if (inbox.rows.size <= shownRows * 1.25) return;
    alerts.trim(shownRows);
    const shown = new Set([...lists].flatMap((list) => list.state(Infinity)?.ids ?? []));
    for (const id of inbox.rows.keys()) {
      if (shown.has(id)) continue;
      inbox.rows.delete(id);
      inbox.versions.delete(id);
    }
  };
  const rest = () => {
    for (const run of [...timers.keys()]) cancel(run);
  };
  const alerts = open({}, values.alerts);

  return {
    inbox: () => inbox,
    apply,
    resume,
    start,
    startAt(at, count) {
      startAt(inbox, at);
      unread.set(count);
    },
    changed,
    list(filter, shown) {
      const list = open(filter, shown);
      const known = Object.keys(filter).length === 0 && alerts.state(Infinity);
      list.seed(known || undefined);
      return list;
    },
    async loadMore(n) {
      const done = await alerts.loadMore(n);
      shownRows = Math.max(keep, alerts.items.get().length);
      return done;
    },
    cursor: () => inbox.at && cursorText(inbox.at),
    /** The position of a row in both streams: nothing that stands above it in the list is at or below. */
    cursorAt(alert) {
      const at = inbox.at ?? { epoch: '', user: 0, all: 0 };
      const other = alert.stream === 'user' ? 'all' : 'user';
      const above = alerts.items.get().filter((row) => row.stream === other && row.id > alert.id);
      const end = above.length > 0 ? Math.min(...above.map((row) => row.seq)) - 1 : at[other];
      return cursorText({ ...at, [alert.stream]: alert.seq, [other]: end });
    },
    state() {
      const list = alerts.state(HANDED_ROWS);
      const shown = new Set(list?.ids);
      const of = <V>(map: Map<AlertId, V>): Map<AlertId, V> => new Map([...map].filter(([id]) => shown.has(id)));
      return { inbox: { ...inbox, rows: of(inbox.rows), versions: of(inbox.versions) }, list };
    },
    adopt(state) {
      // Ours may be the newer one where the server had told us who we are.
      if (inbox.at && state.inbox.at && !isBeyond(state.inbox.at, inbox.at)) return false;
      inbox = state.inbox;
      showNumbers();
      if (state.list) alerts.seed(state.list);
      return true;
    },
    rest,
    clear() {
      rest();
      const gone = [...inbox.rows.keys()];
      inbox = createInbox();
      changed(gone);
      for (const list of lists) list.clear();
    },
  };
}

/** The earlier of two places in each stream; the second one where they have nothing to do with each other. */
const earlier = (a: Place | undefined, b: Place | null): Place | null =>
  a && a.epoch === b?.epoch ? { ...b, user: Math.min(a.user, b.user), all: Math.min(a.all, b.all) } : b;

const listOf = ({ items, next }: InboxPage): ListState => ({ ids: items.map(({ id }) => id), next });
