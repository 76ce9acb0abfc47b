/** The facade: decides who is who and when this tab takes part, and wires connection, feed, tabs and attention. */

import type { Preferences } from '@belfry/protocol';
import { createAttending } from './attending.js';
import { attempt, openBrowser } from './browser.js';
import { createChanges } from './changes.js';
import { cursorText } from './cursor.js';
import { createEvents } from './events.js';
import { asFailure, failure, handled } from './failure.js';
import { createFeed, type FeedState } from './feed.js';
import { createKept } from './kept.js';
import { createLink, type Link } from './link.js';
import { navigate } from './navigate.js';
import { createPresenters } from './presenters.js';
import { createPushing } from './pushing.js';
import { emitter, writable } from './readable.js';
import { createCall } from './rest.js';
import { createTabs, tabsName } from './tabs/shared.js';
import type { Tabs, TabsHost } from './tabs/tabs.js';
import { createTokens } from './token.js';
import type { AnyAlert, Client, ClientOptions, Connection, Release } from './types.js';

/** A client. Nothing happens before its first hold: it may be made anywhere, also on a server. */
export function createClient(options: ClientOptions = {}): Client {
  const browser = openBrowser(options);
  const { clock, storage } = browser;
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
  let tabs: Tabs | null = null;
  let link: Link | null = null;
  let holds = 0;
  let connected = false;
  /** `disconnect` was called: this tab stays away until somebody asks for it anew. */
  let away = false;
  let disposed = false;
  let lingering: unknown;
  let skew = 0;

  const connection = writable(idle, report);
  const who = writable<string | null>(user ?? null, report);
  const presence = emitter<[]>(report);
  const nameOf = (person: string): string => tabsName(options.scope ?? '', browser.base, person);
  const leads = (): boolean => tabs?.role === 'leader' || tabs?.role === 'alone';
  const isConnected = (): boolean => connection.get().isConnected;
  const tokens = createTokens(options, clock, () => (user ? nameOf(user) : null));
  const call = createCall(browser, tokens);
  const preferences = writable<Preferences | null>(null, report);

  const loadPreferences = async (): Promise<void> => (await settings()).loadPreferences(call, preferences);

  const feed = createFeed(
    {
      clock,
      call,
      report,
      leads,
      isConnected,
      ready: () => isConnected() || (!!user && connection.get().attempts > 0),
      events: () => events,
      attention: () => attention,
      send: (type, data) => link?.send(type, data),
      life: (event) => link?.event(event),
      keep: () => keep(),
    },
    options,
  );
  const events = createEvents(options.events, feed.alerts.items.get, report);
  const changes = createChanges(browser, call, {
    inbox: feed.inbox,
    changed: feed.changed,
    answered(answer) {
      // Connected, the frame brings the number, and in its order.
      if (!isConnected()) feed.unread.set(answer.unread);
    },
    report,
  });
  const open = (alert: AnyAlert) => {
    changes.mark(alert, 'read').catch(() => {});
    if (alert.link) navigate(alert.link, options);
  };
  const loadAttention = async () =>
    (await import('./attention/presenter.js')).createAttention(
      {
        ...options.attention,
        browser,
        presence: () => tabs?.presence() ?? { lastInputAt: 0, visible: browser.visible(), focused: browser.focused() },
        onPresence: presence.add,
      },
      {
        user: who.get,
        current: (id) => feed.inbox().rows.get(id) ?? null,
        doNotDisturb: feed.doNotDisturb.get,
        unread: () => feed.unread,
        serverNow: () => clock.now() + skew,
        displayed: (ids) => tabs?.request({ do: 'ack', ids }),
        open,
        report,
      },
    );
  const { badge, sound } = options.attention ?? {};
  const attention = createAttending(loadAttention, !!(badge?.app || badge?.title), sound !== false, report);
  const presenters = createPresenters(attention.onPresent, events);
  const pushing = createPushing({
    user: who.get,
    base: () => browser.base.href.slice(0, -1),
    now: clock.now,
    request: (method, path, body) => call(method, path.slice(1), body),
    report,
    open(id, url) {
      const alert = feed.inbox().rows.get(id);
      if (alert) open(alert);
      else if (url) navigate(url, options);
    },
    ...(options.worker && { worker: options.worker }),
  });

  const kept = createKept(options, storage, feed);
  const keep = () => {
    if (user && leads()) kept.keep(nameOf(user));
  };
  const restore = async (): Promise<void> => {
    if (user) await kept.restore(nameOf(user));
  };

  // ---- tabs

  const openTabs = (person: string | undefined): Tabs => {
    const shared = options.tabs !== 'independent' && person !== undefined;
    const ours = (): boolean => tabs === opened;
    const host: TabsHost = {
      lead() {
        if (!ours()) return;
        const before = connection.get();
        link?.start();
        // Where the server had to say who this is, the connection is older than the lead: nobody was told of it, and
        // nobody has asked yet.
        if (connection.get() === before) linkChanged();
        tellPresence();
        if (connection.get().state === 'catching-up') feed.resume();
      },
      yield() {
        if (ours()) link?.stop();
      },
      receive(message) {
        if (!('id' in message)) {
          if (message.type === 'connection-established') skew = Date.parse(message.timestamp) - clock.now();
          if (message.type === 'settings-changed' && preferences.get()) loadPreferences().catch(report);
        }
        feed.apply(message);
      },
      follow(led) {
        link?.stop();
        connection.set(led);
      },
      state: () => ({ inbox: feed.state(), connection: connection.get() }),
      adopt(state) {
        if (state) {
          host.follow({ ...state.connection, role: 'follower' });
          feed.adopt(state.inbox as FeedState);
        }
        if (!feed.inbox().at && !leads()) void feed.start();
      },
      upstream(request) {
        if (request.do === 'retry-now') link?.event({ on: 'retry-now' });
        else if (!link || !isConnected()) return false;
        else if (request.do === 'send') return link.send(request.type, request.data);
        else return link.send('ack', { ids: request.ids, level: 'displayed' });
        return true;
      },
      signedOut() {
        if (ours()) void become(null);
      },
    };
    const opened = createTabs({ name: nameOf(person ?? ''), shared, browser }, host);
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
    if (isConnected()) link?.send('presence', { visible, focused });
  };
  const linkChanged = () => {
    if (!tabs || !link || tabs.role === 'follower') return;
    const now = link.view(tabs.role);
    connection.set(now);
    if (leads()) tabs.announce(now);
  };
  const openLink = (): Link =>
    createLink({
      browser,
      tokens,
      call,
      options,
      host: {
        admits(person) {
          if (user === undefined) recognised(person);
          else if (user !== person) feed.clear();
          return user === person;
        },
        receive(message) {
          if (leads()) tabs?.broadcast(message);
          else feed.apply(message);
          if (!('id' in message) && message.type === 'connection-established') tellPresence();
        },
        changed: linkChanged,
        cursor() {
          const { at } = feed.inbox();
          return at && cursorText(at);
        },
        report,
      },
    });
  /** The server said whose the cookie is: from here on this tab shares with that person's tabs. */
  const recognised = (person: string) => {
    user = person;
    who.set(person);
    void restore();
    pushing.start();
    if (options.tabs === 'independent') return;
    const alone = tabs;
    tabs = openTabs(person);
    void alone?.leave();
    tabs.join();
  };

  // ---- holds

  const sync = () => {
    clock.clearTimeout(lingering);
    const held = holds > 0 || connected;
    const wanted = held && !away && !disposed && user !== null;
    if (wanted && !attempt(() => browser.base)) {
      // A frame without an address of its own, or a URL that is none.
      const error = failure('connect-failed', 'no usable `url`');
      connection.set({ ...idle, state: 'stopped', error });
      report(error);
    } else if (wanted && !tabs) {
      link ??= openLink();
      attention.start();
      const joining = openTabs(user ?? undefined);
      tabs = joining;
      const join = () => {
        if (tabs === joining) joining.join();
      };
      const restored = restore();
      if (options.history === 'indexeddb') void restored.then(join);
      else join();
      pushing.start();
    } else if (!wanted && tabs) {
      if (held || away || disposed) void leave();
      else lingering = clock.setTimeout(() => void leave(), options.lingerMs ?? 3_000);
    }
  };
  const leave = async (): Promise<void> => {
    const left = tabs;
    if (!left) return;
    keep();
    tabs = null;
    feed.rest();
    const gone = left.leave();
    link?.stop();
    attention.stop();
    connection.set(idle);
    await gone;
  };
  const become = async (person: string | null): Promise<void> => {
    const before = user;
    const gone = leave();
    user = person;
    away = false;
    feed.clear();
    preferences.set(null);
    tokens.forget();
    who.set(person);
    if (before) {
      kept.forget(nameOf(before));
      if (person === null) pushing.signOut(before);
    }
    await gone;
    sync();
  };
  const retryNow = () => {
    away = false;
    sync();
    tabs?.request({ do: 'retry-now' });
  };

  return {
    connection,
    alerts: feed.alerts.items,
    unread: feed.unread,
    doNotDisturb: feed.doNotDisturb,
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
      retryNow();
    },
    disconnect() {
      connected = false;
      away = true;
      sync();
    },
    async identify(person) {
      if (person === user) return;
      if (person === null && user) tabs?.signOut();
      if (user !== person) await become(person);
    },
    retryNow,
    dispose() {
      disposed = true;
      sync();
      tokens.close();
      pushing.dispose();
    },
    onMessage: events.onMessage,
    on: presenters.on,
    onPresent: (present) => presenters.add(present),
    send(type, data) {
      if (!isConnected()) return false;
      if (leads()) return link?.send(type, data) ?? false;
      tabs?.request({ do: 'send', type, data });
      return true;
    },
    list: feed.list,
    loadMore: (n) => handled(feed.loadMore(n)),
    markSeen: changes.seen,
    markRead(target) {
      if (typeof target !== 'object' || !('upTo' in target)) return handled(changes.mark(target, 'read'));
      const { upTo } = target;
      return handled(changes.markUpTo(typeof upTo === 'string' ? upTo : feed.cursorAt(upTo)));
    },
    markUnread: (target) => handled(changes.mark(target, 'unread')),
    archive: (target) => handled(changes.mark(target, 'archived')),
    unarchive: (target) => handled(changes.mark(target, 'unarchived')),
    markActed(id, action) {
      const chosen = feed
        .inbox()
        .rows.get(id)
        ?.actions.find((one) => one.id === action);
      const marked = handled(changes.mark(id, 'acted'));
      if (chosen?.link) navigate(chosen.link, options);
      return marked;
    },
    open,
    setDoNotDisturb: (value) => handled(settings().then((chunk) => chunk.setDoNotDisturb(call, value))),
    setSound: attention.setSound,
    preferences: {
      get: preferences.get,
      subscribe: preferences.subscribe,
      load: () => handled(loadPreferences()),
      set: (change) => handled(settings().then((chunk) => chunk.setPreferences(call, preferences, change))),
    },
    push: pushing.push,
  };
}

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

/** The chunk for people who change their settings. */
const settings = () => import('./settings.js');
