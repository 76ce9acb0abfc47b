/** The facade: what an application holds, from the first line of its code. What is behind it comes when it is needed. */

import { openBrowser } from './browser.js';
import { asFailure } from './failure.js';
import { createLater } from './later.js';
import type { ServerTime } from './link.js';
import type { LiveList } from './list.js';
import { emitter } from './readable.js';
import { createSession } from './session.js';
import type { Client, ClientOptions, List, Readable } from './types.js';
import { listValues, openValues } from './values.js';

/** A client. Nothing happens before its first hold: it may be made anywhere, also on a server. */
export function createClient(options: ClientOptions = {}): Client {
  const browser = openBrowser(options);
  const { clock } = browser;
  const report = (error: unknown) => {
    const told = asFailure(error, 'handler-failed');
    try {
      if (options.onError) options.onError(told);
      else if (told.code === 'handler-failed') globalThis.reportError?.(error);
    } catch {
      // Nobody is left to tell.
    }
  };
  const values = openValues(options, report);
  const presence = emitter<[]>(report);
  const time: ServerTime = { skew: 0, now: () => clock.now() + time.skew };
  const account = createLater(async () =>
    (await import('./account.js')).createAccount({ ...session, browser, options, values, time, presence, report }),
  );
  const session = createSession({ browser, options, values, time, account, report });
  const { ask, when } = account;

  /** A value that is worth loading something for once somebody looks. */
  const watched = <T>({ get, subscribe }: Readable<T>, look: () => void): Readable<T> => ({
    get,
    subscribe(listener) {
      look();
      return subscribe(listener);
    },
  });
  const list: Client['list'] = (filter = {}): List => {
    const shown = listValues(report);
    let opened: LiveList | undefined;
    when(({ feed }) => {
      opened = feed.list(filter, shown);
    });
    return {
      ...shown,
      loadMore: (n) => ask(() => opened?.loadMore(n) ?? { done: true }),
      refresh: () => ask(() => opened?.refresh()),
      dispose: () => when(() => opened?.dispose()),
    };
  };

  return {
    connection: values.connection,
    alerts: values.alerts.items,
    unread: values.unread,
    doNotDisturb: values.doNotDisturb,
    sound: watched(values.sound, () => when(({ attention }) => attention.want())),
    user: values.user,
    now: time.now,
    hold: session.hold,
    connect: session.connect,
    disconnect: session.disconnect,
    identify: session.identify,
    retryNow: session.retryNow,
    dispose: session.dispose,
    send: session.send,
    onMessage: (listener, how) => account.add(({ events }) => events.onMessage(listener, how)),
    on: ((...listener: Parameters<Client['on']>) =>
      account.add(({ presenters }) => presenters.on(...listener))) as Client['on'],
    onPresent(present) {
      // On its way at once: it comes with the rest, not after it.
      import('./attention/presenter.js').catch(() => {});
      return account.add(({ presenters }) => presenters.add(present));
    },
    list,
    loadMore: (n) => ask(({ feed }) => feed.loadMore(n)),
    markSeen: (target) => ask(({ changes }) => changes.seen(target)),
    markRead: (target) => ask((part) => part.markRead(target)),
    markUnread: (target) => ask(({ changes }) => changes.mark(target, 'unread')),
    archive: (target) => ask(({ changes }) => changes.mark(target, 'archived')),
    unarchive: (target) => ask(({ changes }) => changes.mark(target, 'unarchived')),
    markActed: (id, action) => ask((part) => part.markActed(id, action)),
    open: (alert) => void ask((part) => part.open(alert)),
    setDoNotDisturb: (value) => ask(({ settings }) => settings.setDoNotDisturb(value)),
    setSound: (on) => void ask(({ attention }) => attention.setSound(on)),
    preferences: {
      get: values.preferences.get,
      subscribe: values.preferences.subscribe,
      load: () => ask(({ settings }) => settings.load()),
      set: (change) => ask(({ settings }) => settings.set(change)),
    },
    push: {
      state: watched(values.push, () => when(({ pushing }) => pushing.watch())),
      enable: () => ask(({ pushing }) => pushing.enable()),
      disable: () => ask(({ pushing }) => pushing.disable()),
    },
  };
}
