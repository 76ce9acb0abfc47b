/** Who is who, and when this tab takes part: holds, people, the tabs of the browser and the connection. */

import type { Account } from './account.js';
import { attempt, type Browser } from './browser.js';
import { failure } from './failure.js';
import type { FeedState } from './feed.js';
import type { Later } from './later.js';
import { createLink, type Link, type ServerTime } from './link.js';
import type { Emitter } from './readable.js';
import { createTabs, tabsName } from './tabs/shared.js';
import type { Tabs, TabsHost } from './tabs/tabs.js';
import { createTokens, type Tokens } from './token.js';
import type { Client, ClientOptions } from './types.js';
import { idle, keptKey, quietNever, type Values } from './values.js';

type Doors = Pick<Client, 'hold' | 'connect' | 'disconnect' | 'identify' | 'retryNow' | 'dispose' | 'send'>;

export interface Session extends Doors {
  readonly tokens: Tokens;
  tabs(): Tabs | null;
  link(): Link | null;
  leads(): boolean;
  /** What belongs to the person here has this name; `null`: nobody is known. */
  name(): string | null;
}

export interface SessionParts {
  readonly browser: Browser;
  readonly options: ClientOptions;
  readonly values: Values;
  readonly time: ServerTime;
  readonly account: Later<Account>;
  /** Told when somebody came to a tab or left it. */
  readonly presence: Emitter<[]>;
  report(error: unknown): void;
}

export function createSession({ browser, options, values, time, account, presence, report }: SessionParts): Session {
  const { clock, storage } = browser;
  const { connection } = values;
  let user = options.user;
  /** Rises with each person: what waits for the account is theirs alone. */
  let era = 0;
  let tabs: Tabs | null = null;
  let link: Link | null = null;
  let holds = 0;
  let connected = false;
  /** `disconnect` was called: this tab stays away until somebody asks for it anew. */
  let away = false;
  let disposed = false;
  let lingering: unknown;

  const nameOf = (person: string): string => tabsName(options.scope ?? '', browser.base, person);
  const name = (): string | null => (user ? nameOf(user) : null);
  const tokens = createTokens(options, clock, name);
  const leads = (): boolean => tabs?.role === 'leader' || tabs?.role === 'alone';
  const isConnected = (): boolean => connection.get().isConnected;
  const here = (run: (account: Account) => void) => {
    const mine = era;
    account.when((part) => {
      if (mine === era) run(part);
    });
  };
  const clear = () => {
    era++;
    account.now?.feed.clear();
    values.unread.set(0);
    values.doNotDisturb.set(quietNever);
  };
  const restore = (): Promise<void> | undefined => {
    const kept = name();
    if (kept === null) return;
    // The number is there for the first picture.
    const count = storage.getItem(keptKey(kept))?.split(' ')[1];
    if (count && !account.now) values.unread.set(Number(count) || 0);
    return new Promise((resolve) => here((part) => resolve(part.kept.restore(kept))));
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
        if (connection.get().state === 'catching-up') here(({ feed }) => feed.resume());
      },
      yield() {
        if (ours()) link?.stop();
      },
      receive(message) {
        if (!leads() && !('id' in message) && /^(connection-established|ping)$/.test(message.type)) {
          time.skew = Date.parse(message.timestamp) - clock.now();
        }
        here((part) => part.receive(message));
      },
      follow(led) {
        link?.stop();
        connection.set(led);
      },
      state() {
        const inbox = account.now?.feed.state();
        return inbox ? { inbox, connection: connection.get(), skew: time.skew } : null;
      },
      adopt(state) {
        if (state) {
          time.skew = state.skew ?? 0;
          host.follow({ ...state.connection, role: 'follower' });
        }
        here((part) => part.adopt(state && (state.inbox as FeedState)));
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
      call: (...request) => account.ask(({ call }) => call(...request)),
      options,
      time,
      host: {
        admits(person) {
          if (user === undefined) recognised(person);
          else if (user !== person) clear();
          return user === person;
        },
        when: account.when,
        receive(message) {
          if (leads()) tabs?.broadcast(message);
          else account.now?.feed.apply(message);
          if (!('id' in message) && message.type === 'connection-established') tellPresence();
        },
        changed: linkChanged,
        cursor: () => account.now?.feed.cursor() ?? null,
        report,
      },
    });
  /** The server said whose the cookie is: from here on this tab shares with that person's tabs. */
  const recognised = (person: string) => {
    user = person;
    values.user.set(person);
    void restore();
    here(({ pushing }) => pushing.start());
    if (options.tabs === 'independent') return;
    const alone = tabs;
    tabs = openTabs(person);
    void alone?.leave();
    tabs.join();
  };

  // ---- holds

  const load = () => {
    if (account.now) return;
    const loading = account.load();
    // Whoever asked for the state before it was here hears of somebody who has it now.
    loading.then(() => tabs && leads() && tabs.announce(connection.get())).catch(report);
  };
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
      load();
      link ??= openLink();
      account.when(({ attention }) => attention.start());
      const joining = openTabs(user ?? undefined);
      tabs = joining;
      const join = () => {
        if (tabs === joining) joining.join();
      };
      const restored = restore();
      if (options.history === 'indexeddb' && restored) void restored.then(join);
      else join();
      here(({ pushing }) => pushing.start());
    } else if (!wanted && tabs) {
      if (held || away || disposed) void leave();
      else lingering = clock.setTimeout(() => void leave(), options.lingerMs ?? 3_000);
    }
  };
  const leave = async (): Promise<void> => {
    const left = tabs;
    if (!left) return;
    account.now?.keep();
    tabs = null;
    account.now?.feed.rest();
    const gone = left.leave();
    link?.stop();
    account.when(({ attention }) => attention.stop());
    connection.set(idle);
    await gone;
  };
  const become = async (person: string | null): Promise<void> => {
    const before = name();
    const who = user;
    const gone = leave();
    user = person;
    away = false;
    clear();
    values.preferences.set(null);
    tokens.forget();
    values.user.set(person);
    if (before !== null && who) {
      storage.removeItem(keptKey(before));
      account
        .ask(({ kept, pushing }) => {
          kept.forget(before);
          if (person === null) pushing.signOut(who);
        })
        .catch(report);
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
    tokens,
    tabs: () => tabs,
    link: () => link,
    leads,
    name,
    hold() {
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
      account.now?.pushing.dispose();
    },
    send(type, data) {
      if (!isConnected()) return false;
      if (leads()) return link?.send(type, data) ?? false;
      tabs?.request({ do: 'send', type, data });
      return true;
    },
  };
}
