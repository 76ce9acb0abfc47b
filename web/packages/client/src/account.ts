/**
 * Everything about a person's alerts: loaded while the connection opens, since nothing of it is needed before the first
 * frame. Here feed, listeners, changes, attention and pushes are wired to each other.
 */

import type { AlertId, ServerMessage } from '@belfry/protocol';
import { type Attending, createAttending } from './attending.js';
import type { Browser } from './browser.js';
import { type Changes, createChanges } from './changes.js';
import { createEvents, type Events } from './events.js';
import { createFeed, type Feed, type FeedState } from './feed.js';
import { createKept, type Kept } from './kept.js';
import type { Link, ServerTime } from './link.js';
import { navigate } from './navigate.js';
import { createPresenters, type Presenters } from './presenters.js';
import { createPushing, type Pushing } from './pushing.js';
import type { Emitter } from './readable.js';
import { type Call, createCall, refusal } from './rest.js';
import { createSettings, type Settings } from './settings.js';
import { openTab } from './tab.js';
import type { Tabs } from './tabs/tabs.js';
import type { Tokens } from './token.js';
import type { AnyAlert, Client, ClientOptions } from './types.js';
import type { Values } from './values.js';
import type { OpenEvents } from './wire.js';

/** What it needs of the tab it lives in. */
export interface AccountHost {
  readonly browser: Browser;
  readonly options: ClientOptions;
  readonly tokens: Tokens;
  readonly values: Values;
  readonly time: ServerTime;
  /** Told when somebody came to a tab or left it. */
  readonly presence: Emitter<[]>;
  tabs(): Tabs | null;
  link(): Link | null;
  /** This tab's connection is the one that counts. */
  leads(): boolean;
  /** The connection, or this tab's part in it, may look different now. */
  linkChanged(): void;
  signedOut(): void;
  /** What belongs to the person here has this name; `null`: nobody is known. */
  name(): string | null;
  report(error: unknown): void;
}

export interface Account {
  readonly call: Call;
  readonly events: Events;
  readonly feed: Feed;
  readonly changes: Changes;
  readonly presenters: Presenters;
  readonly attention: Attending;
  readonly pushing: Pushing;
  readonly kept: Kept;
  readonly settings: Settings;
  readonly openEvents: OpenEvents;
  /** This tab's part among those of `person`. */
  openTabs(person: string | null): Tabs;
  /** A frame that the leading tab got. */
  receive(message: ServerMessage): void;
  /** The state of another tab; without one the server is asked. */
  adopt(state: FeedState | null): void;
  markRead: Client['markRead'];
  markActed(id: AlertId, action?: string): Promise<void>;
  open(alert: AnyAlert): void;
  keep(): void;
}

export function createAccount(host: AccountHost): Account {
  const { browser, options, values, time, report, leads } = host;
  const { clock, storage } = browser;
  const call = createCall(browser, host.tokens);
  const isConnected = (): boolean => values.connection.get().isConnected;
  const settings = createSettings(call, values.preferences);
  const feed = createFeed(
    {
      clock,
      call,
      report,
      leads,
      isConnected,
      ready: () => isConnected() || (host.name() !== null && values.connection.get().attempts > 0),
      events: () => events,
      attention: () => attention,
      send: (type, data) => host.link()?.send(type, data),
      life: (event) => host.link()?.event(event),
      keep: () => keep(),
    },
    values,
    options.keep,
  );
  const row = (id: AlertId): AnyAlert | null => feed.inbox().rows.get(id) ?? null;
  const events = createEvents(options.events, values.alerts.items.get, report);
  const changes = createChanges(browser, call, {
    inbox: feed.inbox,
    changed: feed.changed,
    answered(answer) {
      // Connected, the frame brings the number, and in its order.
      if (!isConnected()) values.unread.set(answer.unread);
    },
    report,
  });
  const kept = createKept(options, storage, feed);
  const keep = () => {
    const name = host.name();
    if (name !== null && leads()) kept.keep(name);
  };
  const open = (alert: AnyAlert) => {
    changes.mark(alert, 'read').catch(() => {});
    if (alert.link) navigate(alert.link, options);
  };
  const attentionSetup = {
    ...options.attention,
    browser,
    presence: () =>
      host.tabs()?.presence() ?? { lastInputAt: 0, visible: browser.visible(), focused: browser.focused() },
    onPresence: host.presence.add,
  };
  const attentionHost = {
    user: values.user.get,
    current: row,
    doNotDisturb: values.doNotDisturb.get,
    unread: () => values.unread,
    serverNow: time.now,
    displayed: (ids: readonly AlertId[]) => host.tabs()?.request({ do: 'ack', ids }),
    open,
    report,
  };
  const attention = createAttending(
    async () => (await import('./attention/presenter.js')).createAttention(attentionSetup, attentionHost),
    !!(options.attention?.badge?.app || options.attention?.badge?.title),
    values.sound,
    report,
  );
  const pushing = createPushing(
    {
      user: values.user.get,
      base: () => browser.base.href.slice(0, -1),
      now: clock.now,
      request: (method, path, body) => call(method, path.slice(1), body),
      report,
      open(id, url) {
        const alert = row(id);
        if (alert) open(alert);
        else if (url) navigate(url, options);
      },
      ...(options.worker && { worker: options.worker }),
    },
    values.push,
  );

  const account: Account = {
    call,
    events,
    feed,
    changes,
    presenters: createPresenters(attention.onPresent, events),
    attention,
    pushing,
    kept,
    settings,
    receive(message) {
      if (!('id' in message) && message.type === 'settings-changed' && values.preferences.get()) {
        settings.load().catch(report);
      }
      feed.apply(message);
    },
    adopt(state) {
      if (state) feed.adopt(state);
      if (!feed.inbox().at && !leads()) void feed.start();
    },
    markRead(target) {
      if (typeof target !== 'object' || !('upTo' in target)) return changes.mark(target, 'read');
      const { upTo } = target;
      return changes.markUpTo(typeof upTo === 'string' ? upTo : feed.cursorAt(upTo));
    },
    markActed(id, action) {
      const chosen = row(id)?.actions.find((one) => one.id === action);
      const marked = changes.mark(id, 'acted');
      if (chosen?.link) navigate(chosen.link, options);
      return marked;
    },
    async openEvents(token, events) {
      const { openEvents } = await import('./sse.js');
      const { fetch, base } = browser;
      return openEvents({ fetch, base, token, call, refusal, cursor: feed.cursor() }, events);
    },
    openTabs: (person) => openTab(host, account, person),
    open,
    keep,
  };
  return account;
}
