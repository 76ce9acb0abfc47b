/** This tab among the tabs of its browser: what they ask of it, and what the server is told of them. */

import type { Account, AccountHost } from './account.js';
import type { FeedState } from './feed.js';
import { tellsTime } from './link.js';
import { tabsName } from './tabs/name.js';
import { createTabs } from './tabs/shared.js';
import type { Tabs, TabsHost } from './tabs/tabs.js';

/** Takes part from its `join`. `person`: whose tabs these are; `null`: not known, so nothing is shared. */
export function openTab(session: AccountHost, account: Account, person: string | null): Tabs {
  const { browser, options, values, time, presence, leads } = session;
  const { connection } = values;
  const { clock } = browser;
  const ours = (): boolean => session.tabs() === opened;
  const isConnected = (): boolean => connection.get().isConnected;
  const tellPresence = () => {
    if (!ours() || !leads()) return;
    const { visible, focused } = opened.presence();
    session.link()?.event({ on: 'visible', visible });
    if (session.link()?.heard()) session.link()?.send('presence', { visible, focused });
  };
  const host: TabsHost = {
    lead() {
      if (!ours()) return;
      session.link()?.start();
      // The connection may be older than the lead: then nobody was told of it, and nobody has asked yet.
      session.linkChanged();
      tellPresence();
      if (session.link()?.heard() && connection.get().state === 'catching-up') account.feed.resume();
    },
    yield() {
      if (ours()) session.link()?.stop();
    },
    receive(message) {
      const frame = 'id' in message ? null : message;
      if (frame && !leads() && tellsTime(frame)) time.skew = Date.parse(frame.timestamp) - clock.now();
      account.receive(message);
      if (frame?.type === 'connection-established') tellPresence();
    },
    follow(led) {
      session.link()?.stop();
      connection.set(led);
    },
    state: () => ({ inbox: account.feed.state(), connection: connection.get(), skew: time.skew }),
    adopt(state) {
      if (state) {
        time.skew = state.skew ?? 0;
        host.follow({ ...state.connection, role: 'follower' });
      }
      account.adopt(state && (state.inbox as FeedState));
    },
    upstream(request) {
      const link = session.link();
      if (request.do === 'retry-now') link?.event({ on: 'retry-now' });
      else if (!link || !isConnected()) return false;
      else if (request.do === 'send') return link.send(request.type, request.data);
      else return link.send('ack', { ids: request.ids, level: 'displayed' });
      return true;
    },
    signedOut() {
      if (ours()) session.signedOut();
    },
  };
  const shared = options.tabs !== 'independent' && person !== null;
  const name = tabsName(options.scope ?? '', browser.base, person ?? '');
  const opened = createTabs({ name, shared, browser }, host);
  opened.onPresence(() => {
    if (!ours()) return;
    presence.emit();
    tellPresence();
  });
  return opened;
}
