/** The facade: wires connection, inbox, tabs and attention together, and decides who is who. */

import type { AlertId, InboxPage, ServerMessage } from '@belfry/protocol';
import { createAttention } from './attention/presenter.js';
import { openBrowser } from './browser.js';
import { createChanges } from './changes.js';
import type { Policy } from './connection.js';
import { cursorText, isBeyond, parseCursor } from './cursor.js';
import { createEvents } from './events.js';
import { asFailure, failure } from './failure.js';
import { ask, createInbox, type Inbox, type Outcome, place, put, receive, startAt, takeAcks } from './inbox.js';
import { createLink, type Link } from './link.js';
import { createList, type ListState, type LiveList } from './list.js';
import { createPresenters } from './presenters.js';
import { emitter, writable } from './readable.js';
import { createCall } from './rest.js';
import { asDoNotDisturb, createPreferences, quietNever, setDoNotDisturb } from './settings.js';
import { createTabs, tabsName } from './tabs/shared.js';
import type { TabState, Tabs, TabsHost } from './tabs/tabs.js';
import { createTokens } from './token.js';
import type { AnyAlert, Client, ClientOptions, Connection, On, PushState, Release, Unsubscribe } from './types.js';

/** Receipts of what comes in a row go out together. */
const ACK_AFTER_MS = 100;
const SAVE_AFTER_MS = 500;
/** No answer to a `resume`: it is asked again. */
const ANSWER_MS = 10_000;
const HANDED_ROWS = 50;

/** A client. Nothing happens before its first hold: it may be made anywhere, also on a server. */
export function createClient(options: ClientOptions = {}): Client {
  const browser = openBrowser(options);
  const { clock, storage } = browser;
  const scope = options.scope ?? '';
  const keep = options.keep ?? 200;
  const report = (error: unknown) => {
    const told = asFailure(error, 'handler-failed');
    try {
      if (options.onError) options.onError(told);
      else if (told.code === 'handler-failed') globalThis.reportError?.(error);
    } catch {
      // Nobody is left to tell.
    }
  };

  let user = options.user;
  let inbox = createInbox();
  let tabs: Tabs | null = null;
  let holds = 0;
  let connected = false;
  /** `disconnect` was called: this tab stays away until somebody asks for it anew. */
  let away = false;
  let disposed = false;
  let skew = 0;
  let link: Link | null = null;
  const timers: Record<'linger' | 'ack' | 'save' | 'answer', unknown> = { linger: 0, ack: 0, save: 0, answer: 0 };
  const after = (name: keyof typeof timers, ms: number, run: () => void) => {
    timers[name] ||= clock.setTimeout(() => {
      timers[name] = 0;
      run();
    }, ms);
  };
  const cancel = (name: keyof typeof timers) => {
    clock.clearTimeout(timers[name]);
    timers[name] = 0;
  };
  const cancelAll = () => {
    for (const name of Object.keys(timers) as (keyof typeof timers)[]) cancel(name);
  };

  const idle: Connection = {
    state: 'idle',
    since: 0,
    isConnected: false,
    isConnecting: false,
    attempts: 0,
    retryAt: null,
    error: null,
    role: 'none',
    transport: null,
  };
  const connection = writable(idle, report);
  const unread = writable(options.initial?.unread ?? 0, report);
  const doNotDisturb = writable(quietNever, report);
  const who = writable<string | null>(user ?? null, report);
  const presence = emitter<[]>(report);
  const settled = emitter<[]>(report);

  const tokens = createTokens(options, () => `belfry/1/${scope}/${browser.base}`);
  const call = createCall(browser, tokens);
  const { preferences, ...preferencesPart } = createPreferences(call, report);
  const changes = createChanges(browser, call, {
    inbox: () => inbox,
    changed: (ids) => rowsChanged(ids),
    answered: (answer) => {
      // Connected, the frame brings the number, and in its order.
      if (!connection.get().isConnected) unread.set(answer.unread);
    },
    report,
  });
  const lists = new Set<LiveList>();
  const openList = (filter: Parameters<Client['list']>[0] = {}): LiveList => {
    const list = createList(filter, {
      row: (id) => inbox.rows.get(id),
      page: (query) => fetchPage(query),
      ready: () => !!tabs,
      report,
      closed: (closed) => {
        lists.delete(closed);
        sweep();
      },
    });
    lists.add(list);
    return list;
  };
  const alerts = openList();
  let shownRows = keep;
  const events = createEvents(options.events, () => alerts.items.get(), report);
  const attention = createAttention(
    {
      ...options.attention,
      browser,
      presence: () => tabs?.presence() ?? { lastInputAt: 0, visible: browser.visible(), focused: browser.focused() },
      onPresence: presence.add,
    },
    {
      user: who.get,
      current: (id) => inbox.rows.get(id) ?? null,
      doNotDisturb: doNotDisturb.get,
      unread: () => unread,
      serverNow: () => clock.now() + skew,
      displayed: (ids) => tabs?.request({ do: 'ack', ids }),
      open: (alert) => open(alert),
      report,
    },
  );

  const presenters = createPresenters(attention.onPresent);
  const on = (name: string, listener: (...args: never[]) => unknown, how: On = {}): Unsubscribe => {
    if (!how.present) return events.listen(name, listener, how);
    const { signal } = how;
    if (signal?.aborted) return () => {};
    const shows = listener as (...args: unknown[]) => unknown;
    const takes = (alert: AnyAlert): boolean => events.argumentsOf(name, alert) !== null;
    const stop = presenters.add(({ alert }) => {
      if (alert) shows(...(events.argumentsOf(name, alert) ?? []));
    }, takes);
    signal?.addEventListener('abort', stop, { once: true });
    return stop;
  };

  // ---- frames

  const leads = (): boolean => tabs?.role === 'leader' || tabs?.role === 'alone';
  /** A frame, in every tab and in the same order. */
  const apply = (message: ServerMessage) => {
    if (!('id' in message) && message.type === 'connection-established') {
      skew = Date.parse(message.timestamp) - clock.now();
      if (user === undefined) {
        recognised(message.data.user_id, message);
        return;
      }
    }
    const before = inbox.settings;
    const outcome = receive(inbox, message);
    events.frame(message);
    follow(outcome);
    if (inbox.settings !== before && inbox.settings) {
      doNotDisturb.set(asDoNotDisturb(inbox.settings));
      attention.doNotDisturbChanged();
      preferencesPart.stale();
    }
  };
  const follow = (outcome: Outcome) => {
    const { arrived, how, changed, reset } = outcome;
    if (inbox.unread !== null) unread.set(inbox.unread);
    if (reset) {
      alerts.seed({ ids: reset.items.map((item) => item.id), next: reset.next });
      for (const list of lists) if (list !== alerts) list.seed();
    }
    if (arrived.length > 0) for (const list of lists) list.enter(arrived);
    rowsChanged(changed);
    if (arrived.length > 0) tellArrived(arrived, how);
    if (outcome.unplaced) void firstPage();
    if (outcome.abandon) link?.event({ on: 'end', code: 1006 });
    else if (outcome.resume) sendResume(outcome.resume.data);
    caughtUp();
    after('save', SAVE_AFTER_MS, save);
    after('ack', ACK_AFTER_MS, sendAcks);
  };
  const tellArrived = (arrived: readonly AnyAlert[], how: Outcome['how']) => {
    events.alerts(arrived, how);
    attention.arrived(arrived, how);
  };
  const rowsChanged = (ids: Iterable<AlertId>) => {
    const all = [...ids];
    if (all.length === 0) return;
    for (const list of lists) list.render();
    for (const id of all) attention.changed(id, inbox.rows.get(id) ?? null);
  };
  const caughtUp = () => {
    const complete = !!inbox.at && !inbox.asking;
    if (leads()) link?.event({ on: 'caught-up', yes: complete });
    if (!complete) return;
    cancel('answer');
    settled.emit();
    for (const list of lists) if (list.status.get() === 'loading') list.seed();
  };
  const sendResume = (data: unknown) => {
    if (leads()) link?.send('resume', data);
    cancel('answer');
    after('answer', ANSWER_MS, () => {
      if (!inbox.asking) return;
      // A follower missed something that the leader had: the page says where everything is.
      if (!leads()) return void firstPage();
      const again = ask(inbox);
      if (again) sendResume(again.data);
    });
  };
  const sendAcks = () => {
    if (leads() && connection.get().isConnected) for (const ack of takeAcks(inbox)) link?.send('ack', ack);
  };

  // ---- pages

  const fetchPage = async (query: URLSearchParams): Promise<InboxPage> => {
    const mine = inbox;
    for (let tries = 0; ; tries++) {
      const page = await call<InboxPage>('GET', `v1/inbox?${query}`);
      // Changes that came while it was on its way are not in it, and would be lost for its rows.
      if (inbox.asking && connection.get().isConnected) {
        await new Promise<void>((resolve) => {
          const stop = settled.add(() => {
            stop();
            resolve();
          });
        });
      }
      if (mine !== inbox) throw failure('user-changed');
      const to = parseCursor(page.complete_to);
      if (to && inbox.at && to.epoch === inbox.at.epoch && isBeyond(inbox.at, to) && tries < 3) continue;
      for (const item of page.items) put(inbox, item);
      if (!connection.get().isConnected) unread.set(page.unread);
      return page;
    }
  };
  /** The newest page gives the position, and is told as `page`: nothing of it is presented. */
  const firstPage = async (): Promise<void> => {
    const mine = inbox;
    try {
      const page = await call<InboxPage>('GET', 'v1/inbox?limit=25');
      if (mine !== inbox) return;
      place(inbox, page);
      alerts.seed({ ids: page.items.map((item) => item.id), next: page.next });
      unread.set(page.unread);
      const arrived = [...alerts.items.get()].reverse();
      if (arrived.length > 0) tellArrived(arrived, 'page');
      const frame = leads() && ask(inbox);
      if (frame) sendResume(frame.data);
      caughtUp();
      after('ack', ACK_AFTER_MS, sendAcks);
    } catch (error) {
      report(error);
      if (mine === inbox && leads()) link?.event({ on: 'end', code: 1006, error: asFailure(error, 'request-failed') });
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

  // ---- who, and where it was

  const nameOf = (person: string): string => tabsName(scope, browser.base, person);
  const save = () => {
    sweep();
    if (user && inbox.at && leads()) storage.setItem(`${nameOf(user)}/at`, `${cursorText(inbox.at)} ${inbox.unread}`);
  };
  const restore = () => {
    if (!user || inbox.at) return;
    const [cursor, count] = storage.getItem(`${nameOf(user)}/at`)?.split(' ') ?? [];
    const at = parseCursor(cursor);
    if (!at) return;
    startAt(inbox, at);
    unread.set(Number(count) || 0);
  };
  const clear = () => {
    cancelAll();
    const gone = [...inbox.rows.keys()];
    inbox = createInbox();
    for (const id of gone) attention.changed(id, null);
    for (const list of lists) list.clear();
    unread.set(0);
    doNotDisturb.set(quietNever);
    preferencesPart.forget();
    tokens.forget();
  };
  /** The server said whose the cookie is: from here on this tab shares with that person's tabs. */
  const recognised = (person: string, message: ServerMessage) => {
    user = person;
    who.set(person);
    restore();
    const alone = tabs;
    if (options.tabs !== 'independent') {
      tabs = openTabs(person);
      void alone?.leave();
      tabs.join();
    }
    apply(message);
  };

  // ---- tabs

  const openTabs = (person: string | undefined): Tabs => {
    const shared = options.tabs !== 'independent' && person !== undefined;
    const ours = (): boolean => tabs === opened;
    const host: TabsHost = {
      lead() {
        if (!ours()) return;
        link?.start();
        // Where the server had to say who this is, the connection is older than the lead: nobody has asked yet.
        const frame = connection.get().state === 'catching-up' && ask(inbox);
        if (frame) sendResume(frame.data);
      },
      yield() {
        if (ours()) link?.stop();
      },
      receive: (message) => apply(message),
      follow(led) {
        link?.stop();
        connection.set(led);
      },
      state: handOver,
      adopt(state) {
        if (state) takeOver(state);
        else if (!inbox.at && !leads()) void firstPage();
      },
      upstream(request) {
        if (request.do === 'retry-now') link?.event({ on: 'retry-now' });
        else if (!connection.get().isConnected) return false;
        else if (request.do === 'send') return link?.send(request.type, request.data) ?? false;
        else return link?.send('ack', { ids: request.ids, level: 'displayed' }) ?? false;
        return true;
      },
      signedOut() {
        if (ours()) void become(null);
      },
    };
    const opened: Tabs = createTabs({ name: nameOf(person ?? ''), shared, browser }, host);
    opened.onPresence(() => {
      if (!ours()) return;
      presence.emit();
      tellPresence();
    });
    return opened;
  };
  const tellPresence = () => {
    if (!tabs || !leads()) return;
    const { visible, focused } = tabs.presence();
    link?.event({ on: 'visible', visible });
    if (connection.get().isConnected) link?.send('presence', { visible, focused });
  };
  const handOver = (): TabState => {
    const list = alerts.state(HANDED_ROWS);
    const ids = new Set(list?.ids);
    const rows = new Map([...inbox.rows].filter(([id]) => ids.has(id)));
    return { inbox: { inbox: { ...inbox, rows }, list }, connection: connection.get() };
  };
  const takeOver = (state: TabState) => {
    link?.stop();
    connection.set({ ...state.connection, role: 'follower' });
    const handed = state.inbox as { inbox: Inbox; list: ListState | null };
    // Ours may be the newer one where the server had told us who we are.
    if (inbox.at && handed.inbox.at && !isBeyond(handed.inbox.at, inbox.at)) return;
    inbox = handed.inbox;
    if (inbox.unread !== null) unread.set(inbox.unread);
    if (inbox.settings) doNotDisturb.set(asDoNotDisturb(inbox.settings));
    if (handed.list) alerts.seed(handed.list);
    if (!inbox.at) void firstPage();
  };

  // ---- holds

  const policy = (): Policy => ({
    backoff: options.backoff ?? [1_000, 2_000, 5_000, 10_000, 30_000],
    jitter: options.jitter ?? 'full',
    maxAttempts: options.maxAttempts ?? 10,
    afterMaxAttempts: options.afterMaxAttempts ?? 'probe',
    connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
    stableAfterMs: options.stableAfterMs ?? 30_000,
    parkHiddenAfterMs: options.parkHiddenAfterMs ?? (browser.mobile() && 60_000),
  });
  const openLink = (): Link =>
    createLink({
      browser,
      tokens,
      call,
      policy: policy(),
      options,
      host: {
        admits: (person) => user === undefined || person === user,
        receive(message) {
          if (leads()) tabs?.broadcast(message);
          else apply(message);
          if (!('id' in message) && message.type === 'connection-established') tellPresence();
        },
        changed() {
          if (!tabs || !link || tabs.role === 'follower') return;
          const now = link.view(tabs.role);
          if (now.error?.code === 'user-changed' && now.state === 'stopped') clear();
          connection.set(now);
          if (leads()) tabs.announce(now);
        },
        cursor: () => inbox.at && cursorText(inbox.at),
        report,
      },
    });
  const wanted = (): boolean => (holds > 0 || connected) && !away && !disposed && user !== null;
  const sync = () => {
    cancel('linger');
    if (wanted() && !tabs) {
      link ??= openLink();
      restore();
      attention.start();
      tabs = openTabs(user ?? undefined);
      tabs.join();
    } else if (!wanted() && tabs) {
      if (holds > 0 || connected || away || disposed) void leave();
      else after('linger', options.lingerMs ?? 3_000, () => void leave());
    }
  };
  const leave = async (): Promise<void> => {
    const left = tabs;
    if (!left) return;
    save();
    tabs = null;
    cancelAll();
    const gone = left.leave();
    link?.stop();
    attention.stop();
    connection.set(idle);
    await gone;
  };
  const become = async (person: string | null): Promise<void> => {
    const before = user;
    user = person;
    away = false;
    const gone = leave();
    clear();
    if (before) storage.removeItem(`${nameOf(before)}/at`);
    who.set(person);
    await gone;
    sync();
  };

  // ---- opening links

  const navigate = (link: string) => {
    const url = new URL(link, location.href);
    if (!/^https?:$/.test(url.protocol)) return;
    if (url.origin !== location.origin) window.open(url, '_blank', 'noopener');
    else if (options.navigate) options.navigate(url.pathname + url.search + url.hash);
    else location.assign(url);
  };
  const open = (alert: AnyAlert) => {
    changes.mark(alert, 'read').catch(() => {});
    if (alert.link) navigate(alert.link);
  };

  /** Whoever does not wait for it has `onError`: a click handler's rejected promise is no crash of the page. */
  const handled = <T>(promise: Promise<T>): Promise<T> => {
    promise.catch(() => {});
    return promise;
  };

  return {
    connection,
    alerts: alerts.items,
    unread,
    doNotDisturb,
    sound: attention.sound,
    user: who,
    hold(): Release {
      if (holds++ === 0) away = false;
      sync();
      let held = true;
      return () => {
        if (!held) return;
        held = false;
        holds--;
        sync();
      };
    },
    connect() {
      connected = true;
      away = false;
      sync();
      if (leads()) link?.event({ on: 'retry-now' });
    },
    disconnect() {
      connected = false;
      away = true;
      sync();
    },
    async identify(person) {
      if (person === user) return;
      if (person === null && user) tabs?.signOut();
      await become(person);
    },
    retryNow() {
      away = false;
      sync();
      if (leads()) link?.event({ on: 'retry-now' });
      else tabs?.request({ do: 'retry-now' });
    },
    dispose() {
      disposed = true;
      sync();
      tokens.close();
    },
    onMessage: events.onMessage,
    on: on as Client['on'],
    onPresent: (present) => presenters.add(present),
    send(type, data) {
      if (!connection.get().isConnected) return false;
      if (leads()) return link?.send(type, data) ?? false;
      tabs?.request({ do: 'send', type, data });
      return true;
    },
    list(filter) {
      const list = openList(filter);
      const known = Object.keys(filter ?? {}).length === 0 && alerts.state(Infinity);
      list.seed(known || undefined);
      return list;
    },
    async loadMore(n) {
      const done = await handled(alerts.loadMore(n));
      shownRows = Math.max(keep, alerts.items.get().length);
      return done;
    },
    markSeen: (target) => changes.seen(target),
    markRead(target) {
      if (typeof target !== 'object' || !('upTo' in target)) return handled(changes.mark(target, 'read'));
      const { upTo } = target;
      return handled(changes.markUpTo(typeof upTo === 'string' ? upTo : cursorAt(upTo)));
    },
    markUnread: (target) => handled(changes.mark(target, 'unread')),
    archive: (target) => handled(changes.mark(target, 'archived')),
    unarchive: (target) => handled(changes.mark(target, 'unarchived')),
    async markActed(id, action) {
      const chosen = inbox.rows.get(id)?.actions.find((one) => one.id === action);
      const marked = handled(changes.mark(id, 'acted'));
      if (chosen?.link) navigate(chosen.link);
      await marked;
    },
    open,
    setDoNotDisturb: (value) => handled(setDoNotDisturb(call, value)),
    setSound: attention.setSound,
    preferences,
    push: { state: writable<PushState>('unknown', report), enable: async () => 'unsupported', disable: async () => {} },
  };

  /** The position of a row in both streams: nothing that stands above it in the list is at or below. */
  function cursorAt(alert: AnyAlert): string {
    const at = inbox.at ?? { epoch: '', user: 0, all: 0 };
    const other = alert.stream === 'user' ? 'all' : 'user';
    const above = alerts.items.get().filter((row) => row.stream === other && row.id > alert.id);
    const end = above.length > 0 ? Math.min(...above.map((row) => row.seq)) - 1 : at[other];
    return cursorText({ ...at, [alert.stream]: alert.seq, [other]: end });
  }
}
