/**
 * The tabs of one browser as the client sees them: one of them has the connection, all of them have its frames. What
 * `election.ts` decides is done here, with locks, a channel and a timer.
 */

import { attempt, randomId } from '../browser.js';
import type { Connection } from '../types.js';
import { createAlone } from './alone.js';
import { createElection, type Effect, type Head, type SeatEvent } from './election.js';
import { createGap, pack, unpack } from './gap.js';
import { createLocks, type LockEvents } from './locks.js';
import { createPresence, type Here, onSleep } from './presence.js';
import type { ChannelSeam, TabsOptions } from './seams.js';
import type { TabState, Tabs, TabsHost, Upstream } from './tabs.js';

export { tabsName } from './name.js';
export type { TabsOptions } from './seams.js';

/** What only a leader says. */
type Led =
  | { is: 'claim' }
  | { is: 'alive' }
  | { is: 'connection'; connection: Connection }
  | { is: 'frame'; message: Parameters<TabsHost['receive']>[0] }
  | { is: 'state'; to: string; state: TabState; tabs: readonly [string, Here][] }
  | { is: 'done'; rid: string };

/** What every tab says. */
type Said =
  | { is: 'hello'; from: string; here: Here }
  | { is: 'here'; from: string; here: Here }
  | { is: 'probe' }
  | { is: 'ask'; rid: string; request: Upstream }
  | { is: 'gone'; from: string }
  | { is: 'out' };

type Word = Led | Said;
type Hear = { readonly [I in Word['is']]?: (word: Extract<Word, { is: I }>) => void };

/** Takes part in the tabs of this name, from the first `join`. */
export function createTabs(options: TabsOptions, host: TabsHost): Tabs {
  const { browser, name } = options;
  const { clock, storage } = browser;
  const termKey = `${name}/term`;
  const { seat, step } = createElection(browser.random, randomId);
  const presence = createPresence(options);
  const gap = createGap(clock, (connection) => host.follow(connection));
  const outbox = new Map<string, Upstream>();
  /** In the leader: what other tabs asked for and cannot be done yet. */
  const asked = new Map<string, Upstream>();
  let alone = !options.shared;
  let channel: ChannelSeam | undefined;
  let state: Connection['state'] = 'idle';
  let timer: unknown;
  let forget: (() => void) | null = null;

  const inside = (): boolean => seat.at === 'queued' || seat.at === 'leading';
  const leads = (): boolean => seat.at === 'leading';
  const dispatch = (event: SeatEvent, word?: Led): void => {
    for (const effect of step(event, clock.now())) {
      if (effect === 'take') hear(word as Led);
      else run[effect]();
    }
    clock.clearTimeout(timer);
    if (inside()) timer = clock.setTimeout(() => dispatch({ on: 'tick' }), seat.due - clock.now());
  };
  const look = (): void => dispatch({ on: 'look', visible: browser.visible() });
  const storedTerm = (): number => Number(storage.getItem(termKey));

  const post = (word: Said | (Led & Head)): void => channel?.postMessage(word);
  const tell = (word: Led): void => {
    if (alone || !leads()) return;
    const stuck = !browser.visible() && /^(connecting|retrying|offline|paused)$/.test(state);
    post({ ...word, term: seat.term, from: seat.me, n: seat.n, stuck } as Led & Head);
  };

  const lockEvents: LockEvents = {
    granted: () => dispatch({ on: 'granted', term: storedTerm() }),
    lost: () => dispatch({ on: 'lost' }),
    gone(tab) {
      presence.heard(tab, null);
      post({ is: 'gone', from: tab });
    },
    refused() {
      // Whether a page may use them shows when it tries: in a sandboxed frame they exist and refuse.
      if (alone) return;
      dispatch({ on: 'leave' });
      alone = true;
      locks = createAlone(lockEvents);
      if (forget) dispatch({ on: 'join' });
    },
  };
  let locks = alone ? createAlone(lockEvents) : createLocks(options, lockEvents);

  /** In the leader: does it, or keeps it until it can be done. */
  const carry = (rid: string, request: Upstream): void => {
    if (!host.upstream(request)) {
      if (!outbox.has(rid)) asked.set(rid, request);
    } else if (!outbox.delete(rid)) {
      asked.delete(rid);
      tell({ is: 'done', rid });
    }
  };
  const carryAll = (): void => {
    for (const [rid, request] of [...outbox, ...asked]) carry(rid, request);
  };

  const run: Record<Exclude<Effect, 'take'>, () => void> = {
    enter() {
      channel = attempt(() => openChannel(options));
      if (channel) {
        channel.onmessage = ({ data }: { data: Said | (Led & Head) }) => {
          if (!('term' in data)) hear(data);
          else if (!alone) dispatch({ on: 'heard', head: data }, data);
        };
      }
      presence.start(() => {
        look();
        post({ is: 'here', from: seat.me, here: presence.own() });
        tell({ is: 'alive' });
      });
      if (channel || alone) locks.enter(seat.me);
      else lockEvents.refused();
    },
    exit() {
      post({ is: 'gone', from: seat.me });
      channel?.close();
      channel = undefined;
      locks.exit();
      gap.end();
      presence.stop();
      asked.clear();
    },
    queue() {
      asked.clear();
      locks.queue();
    },
    lead() {
      gap.end();
      for (const [tab] of presence.tabs()) locks.watch(tab);
      host.lead();
      carryAll();
    },
    yield: () => host.yield(),
    claim() {
      storage.setItem(termKey, String(seat.term));
      tell({ is: 'claim' });
    },
    hello: () => post({ is: 'hello', from: seat.me, here: presence.own() }),
    probe: () => post({ is: 'probe' }),
    alone: () => host.adopt(null),
    steal() {
      const { me, term } = seat;
      locks.steal(() => seat.me === me && seat.at === 'queued' && Math.max(seat.term, storedTerm()) <= term);
    },
  };

  const here = (word: { from: string; here: Here }): void => {
    presence.heard(word.from, word.here);
    if (leads()) locks.watch(word.from);
  };
  const hears: Hear = {
    here,
    hello(word) {
      here(word);
      if (alone || !leads()) return;
      const state = host.state();
      if (!state) return;
      const tabs: [string, Here][] = [...presence.tabs(), [seat.me, presence.own()]];
      tell({ is: 'state', to: word.from, state: { ...state, connection: pack(state.connection) }, tabs });
    },
    gone: ({ from }) => presence.heard(from, null),
    probe: () => tell({ is: 'alive' }),
    ask: (word) => !alone && leads() && carry(word.rid, word.request),
    out: () => host.signedOut(),
    claim: gap.begin,
    connection: (word) => host.follow(gap.settle(unpack(word.connection))),
    frame: (word) => host.receive(word.message),
    state({ state, tabs }) {
      for (const [tab, here] of tabs) if (tab !== seat.me) presence.heard(tab, here);
      host.adopt({ ...state, connection: gap.settle(unpack(state.connection)) });
      // Every claim is answered by a `hello`, and that by a state: so every leader is asked for what is still to be done.
      for (const [rid, request] of outbox) post({ is: 'ask', rid, request });
    },
    done: (word) => outbox.delete(word.rid),
  };
  const hear = (word: Word): void => (hears[word.is] as ((word: Word) => void) | undefined)?.(word);

  const enter = (on: 'join' | 'wake'): void => {
    look();
    dispatch({ on });
  };

  return {
    get role() {
      return !inside() ? 'none' : alone ? 'alone' : leads() ? 'leader' : 'follower';
    },
    join() {
      forget ??= onSleep(
        options,
        () => dispatch({ on: 'sleep' }),
        () => enter('wake'),
      );
      enter('join');
    },
    leave() {
      forget?.();
      forget = null;
      dispatch({ on: 'leave' });
      return locks.exit();
    },
    broadcast(message) {
      // After a jump in time this tab may lead no more, and what its socket had waiting is void.
      dispatch({ on: 'tick' });
      if (!leads()) return;
      seat.n += 1;
      tell({ is: 'frame', message });
      host.receive(message);
    },
    announce(connection) {
      state = connection.state;
      tell({ is: 'connection', connection: pack(connection) });
      if (leads() && connection.isConnected) carryAll();
    },
    request(request) {
      const rid = randomId();
      outbox.set(rid, request);
      if (leads()) carry(rid, request);
      else post({ is: 'ask', rid, request });
    },
    signOut() {
      // Also from a tab that takes no part itself.
      const out = channel ?? attempt(() => openChannel(options));
      out?.postMessage({ is: 'out' } satisfies Said);
      if (out !== channel) out?.close();
      host.signedOut();
    },
    presence() {
      const all = presence.read();
      if (!alone) return all;
      // The connection is this tab's own, and so is what is told of it; somebody at another tab is here all the same.
      const [visible, focused] = presence.own();
      return { ...all, visible, focused };
    },
    onPresence: presence.on,
  };
}

function openChannel({ name, channel }: TabsOptions): ChannelSeam {
  return channel ? channel(name) : new BroadcastChannel(name);
}
