/** Who is who, and when this tab takes part: holds, people, the tabs of the browser and the connection. */

import type { Account } from './account.js';
import { attempt, type Browser } from './browser.js';
import { failure } from './failure.js';
import type { Later } from './later.js';
import { createLink, differs, type Link, type ServerTime } from './link.js';
import { ifFirst } from './tabs/first.js';
import { tabsName } from './tabs/name.js';
import type { Tabs } from './tabs/tabs.js';
import { createTokens, type Tokens } from './token.js';
import type { Client, ClientOptions } from './types.js';
import { idle, keptKey, quietNever, type Values } from './values.js';

/** The network failed the code: it is asked for again after this. */
const LOAD_AGAIN_MS = 5_000;

type Doors = Pick<Client, 'hold' | 'connect' | 'disconnect' | 'identify' | 'retryNow' | 'dispose' | 'send'>;

export interface Session extends Doors {
  readonly tokens: Tokens;
  tabs(): Tabs | null;
  link(): Link | null;
  leads(): boolean;
  /** The connection, or this tab's part in it, may look different now. */
  linkChanged(): void;
  signedOut(): void;
  /** What belongs to the person here has this name; `null`: nobody is known. */
  name(): string | null;
}

export interface SessionParts {
  readonly browser: Browser;
  readonly options: ClientOptions;
  readonly values: Values;
  readonly time: ServerTime;
  readonly account: Later<Account>;
  report(error: unknown): void;
}

export function createSession({ browser, options, values, time, account, report }: SessionParts): Session {
  const { clock, storage } = browser;
  const { connection } = values;
  let user = options.user;
  /** While this tab takes part. */
  let stay: AbortController | null = null;
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
  const clear = () => {
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
    return new Promise((resolve) =>
      account.when((part) => {
        // Somebody else may be here by then.
        resolve(name() === kept ? part.kept.restore(kept) : undefined);
      }),
    );
  };

  // ---- connection

  const linkChanged = () => {
    if (!stay || !link || tabs?.role === 'follower') return;
    const shared = options.tabs !== 'independent' && user !== undefined;
    const now = link.view(tabs?.role ?? (shared ? 'leader' : 'alone'));
    if (differs(connection.get(), now)) connection.set(now);
    if (leads()) tabs?.announce(now);
  };
  const openLink = (): Link =>
    createLink({
      browser,
      tokens,
      call: (...request) => account.ask(({ call }) => call(...request)),
      openEvents: (...wire) => account.ask(({ openEvents }) => openEvents(...wire)),
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
          else account.now?.receive(message);
        },
        changed: linkChanged,
        report,
      },
    });
  /** The server said whose the cookie is: from here on this tab shares with that person's tabs. */
  const recognised = (person: string) => {
    user = person;
    values.user.set(person);
    void restore();
    account.when(({ pushing }) => pushing.start());
    if (tabs && options.tabs !== 'independent') enter();
  };
  /** Takes its place among the tabs of the person, or of nobody else while it is not known who that is. */
  const enter = () => {
    const last = tabs;
    tabs = account.now?.openTabs(user ?? null) ?? null;
    void last?.leave();
    tabs?.join();
  };

  // ---- holds

  const join = () => {
    /** Ends when this tab stands in the queue for the lead itself, or leaves. */
    const mine = new AbortController();
    stay = mine;
    link ??= openLink();
    const load = () => {
      if (stay !== mine) return;
      account.load().catch((error: unknown) => {
        report(error);
        clock.setTimeout(load, LOAD_AGAIN_MS);
      });
    };
    load();
    account.when(({ attention }) => attention.start());
    const restored = restore();
    const seat = () => {
      if (stay === mine) enter();
      mine.abort();
    };
    const waits = options.history === 'indexeddb' && restored;
    account.when(() => (waits ? void waits.then(seat) : seat()));
    account.when(({ pushing }) => pushing.start());
    if (waits || tabs) return;
    const shared = options.tabs === 'independent' ? null : name();
    if (shared === null) link.start();
    else ifFirst(shared, mine.signal, link.start);
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
    } else if (wanted && !stay) {
      join();
    } else if (!wanted && stay) {
      if (held || away || disposed) void leave();
      else lingering = clock.setTimeout(() => void leave(), options.lingerMs ?? 3_000);
    }
  };
  const leave = async (): Promise<void> => {
    if (!stay) return;
    stay.abort();
    stay = null;
    const left = tabs;
    account.now?.keep();
    tabs = null;
    account.now?.feed.rest();
    const gone = left?.leave();
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
    if (tabs) tabs.request({ do: 'retry-now' });
    else link?.event({ on: 'retry-now' });
  };

  return {
    tokens,
    tabs: () => tabs,
    link: () => link,
    leads,
    linkChanged,
    signedOut: () => void become(null),
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
      if (person === null && user) {
        const who = user;
        if (tabs) tabs.signOut();
        else account.ask((part) => part.openTabs(who).signOut()).catch(report);
      }
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
      if (!tabs || leads()) return link?.send(type, data) ?? false;
      tabs.request({ do: 'send', type, data });
      return true;
    },
  };
}
