import { beforeEach, describe, expect, it } from 'vitest';
import { createGap, pack, unpack } from '../src/tabs/gap.js';
import type { Connection } from '../src/types.js';
import { Server, Tab, type TabSetup } from './world/tab.js';
import { World } from './world/world.js';

let world: World;
let server: Server;
let count = 0;

beforeEach(() => {
  world = new World(7);
  server = new Server(world);
  count = 0;
});

const open = (setup: Partial<TabSetup> = {}): Tab => {
  count += 1;
  return new Tab(world, server, `tab${count}`, { user: 'ann', ...setup });
};
/** Tabs that joined one after another; the first one leads. */
const opened = async (...setups: Partial<TabSetup>[]): Promise<Tab[]> => {
  const tabs: Tab[] = [];
  for (const setup of setups) {
    tabs.push(open(setup).join());
    await world.run(400);
  }
  return tabs;
};
const sockets = (): number => server.sockets.filter((socket) => socket.open).length;
const roles = (tabs: readonly Tab[]): string => tabs.map((tab) => tab.tabs.role).join(' ');
const last = (tab: Tab): Connection | undefined => tab.states.at(-1);

describe('one connection', () => {
  it('is enough for five tabs, and all of them get every frame in order', async () => {
    const tabs = await opened({}, {}, {}, {}, {});
    for (let n = 0; n < 3; n += 1) server.publish('ann');
    await world.run(1_000);
    expect(sockets()).toBe(1);
    expect(roles(tabs)).toBe('leader follower follower follower follower');
    for (const tab of tabs) expect([...tab.arrived]).toEqual(['ann-00001', 'ann-00002', 'ann-00003']);
  });

  it('is not opened by a tab that never joined', async () => {
    const [, idle] = [await opened({}), open()];
    await world.run(5_000);
    expect(idle.tabs.role).toBe('none');
    expect([...world.holders.values()].some(({ process }) => process === idle.process)).toBe(false);
  });

  it('is not shared between users', async () => {
    const [ann, bob] = await opened({}, { user: 'bob' });
    server.publish('bob');
    await world.run(1_000);
    expect(sockets()).toBe(2);
    expect(ann?.arrived.size).toBe(0);
    expect(bob?.arrived.size).toBe(1);
  });

  it('passes on within moments of the leader leaving', async () => {
    const tabs = await opened({}, {});
    tabs[0]?.leave();
    await world.run(20);
    expect(roles(tabs)).toBe('none leader');
    expect(sockets()).toBe(1);
  });

  it('ends with the last tab, and leaves no lock behind', async () => {
    const tabs = await opened({}, {});
    for (const tab of tabs) tab.leave();
    await world.run(100);
    expect(sockets()).toBe(0);
    expect(world.holders.size).toBe(0);
  });

  it('is free when the promise of leaving resolves', async () => {
    const [tab] = await opened({});
    let left = false;
    tab?.act(() => void tab.tabs.leave().then(() => (left = true)));
    await world.run(100);
    expect(left).toBe(true);
    expect([...world.holders.keys()]).toEqual([]);
  });
});

describe('a leader that does not answer', () => {
  it('is replaced by a visible tab within 3 s, and closes when it is back', async () => {
    const tabs = await opened({ visible: false }, {}, {});
    const [old] = tabs as [Tab];
    old.process.held = true;
    await world.run(3_100);
    expect(roles(tabs.slice(1)).split(' ').sort().join(' ')).toBe('follower leader');
    server.publish('ann');
    await world.run(500);
    old.process.held = false;
    await world.run(100);
    expect(old.tabs.role).toBe('follower');
    expect(sockets()).toBe(1);
    await world.run(1_000);
    expect(old.cursor).toBe(1);
  });

  it('is replaced once, however many tabs see it', async () => {
    for (let seed = 1; seed <= 40; seed += 1) {
      world = new World(seed);
      server = new Server(world);
      const tabs = await opened({ visible: false }, {}, {}, {}, {});
      (tabs[0] as Tab).process.held = true;
      await world.run(4_000);
      expect(server.sockets.length, `seed ${seed}`).toBe(2);
    }
  });

  it('is replaced although the tab that was about to do so stopped as well', async () => {
    const [leader] = await opened({ visible: false }, {});
    const stuck = world.process('stuck');
    const name = [...world.holders.keys()].find((lock) => lock.startsWith('belfry/'));
    world
      .locks(stuck)
      .request(`steal:${name}`, {}, () => new Promise(() => {}))
      .catch(() => {});
    (leader as Tab).process.held = true;
    await world.run(6_000);
    expect(sockets()).toBe(2);
  });

  it('keeps the lead while nobody looks', async () => {
    const tabs = await opened({ visible: false }, { visible: false });
    (tabs[0] as Tab).process.held = true;
    await world.run(60_000);
    expect(roles(tabs)).toBe('leader follower');
  });

  it('hung for a second only: keeps the lead', async () => {
    const tabs = await opened({}, {});
    (tabs[0] as Tab).process.held = true;
    await world.run(1_000);
    (tabs[0] as Tab).process.held = false;
    await world.run(5_000);
    expect(roles(tabs)).toBe('leader follower');
  });

  it('crashed: the next one leads at once', async () => {
    const tabs = await opened({}, { visible: false });
    world.kill((tabs[0] as Tab).process);
    await world.run(20);
    expect(tabs[1]?.tabs.role).toBe('leader');
  });
});

describe('sleep', () => {
  it('frozen: gives everything away, and follows when it is back', async () => {
    const tabs = await opened({}, { visible: false });
    const [first] = tabs as [Tab];
    first.fire('document', 'freeze');
    await world.run(20);
    expect(roles(tabs)).toBe('none leader');
    expect([...world.holders.values()].some(({ process }) => process === first.process)).toBe(false);
    first.fire('document', 'resume');
    await world.run(500);
    expect(roles(tabs)).toBe('follower leader');
  });

  it('in the back-forward cache it has no lock, no request and no channel', async () => {
    const tabs = await opened({}, {});
    const second = tabs[1] as Tab;
    second.fire('window', 'pagehide', { persisted: true });
    await world.run(20);
    server.publish('ann');
    await world.run(500);
    expect(second.arrived.size).toBe(0);
    expect([...world.queues.values()].flat().some(({ process }) => process === second.process)).toBe(false);
    second.fire('window', 'pageshow', { persisted: true });
    await world.run(500);
    expect(second.cursor).toBe(1);
  });

  it('that nobody told of voids what the old connection had waiting', async () => {
    const [tab] = (await opened({})) as [Tab];
    const frame = server.publish('ann');
    tab.process.tasks.length = 0;
    tab.act(() => {
      world.now += 45_000;
      tab.framed(frame);
    });
    await world.run(0);
    expect(tab.arrived.size).toBe(0);
    await world.run(1_000);
    expect(roles([tab])).toBe('leader');
    expect([...tab.arrived]).toEqual(['ann-00001']);
  });

  it('a follower passes nothing on that it might still get', async () => {
    const tabs = (await opened({}, {})) as [Tab, Tab];
    tabs[1].act(() => tabs[1].framed(server.publish('ann')));
    await world.run(0);
    expect(tabs[1].arrived.size).toBe(0);
  });

  it('a page that is left for good needs no farewell', async () => {
    const tabs = await opened({}, {});
    (tabs[0] as Tab).fire('window', 'pagehide', { persisted: false });
    await world.run(100);
    expect(roles(tabs)).toBe('leader follower');
  });
});

describe('a new tab', () => {
  it('gets the whole state from the leader', async () => {
    await opened({});
    server.publish('ann');
    await world.run(500);
    const tab = open().join();
    await world.run(50);
    expect(tab.adopted).toEqual([1]);
    expect(tab.presented).toEqual([]);
  });

  it('asks over HTTP when the leader does not answer', async () => {
    const [leader] = await opened({});
    server.publish('ann');
    await world.run(500);
    (leader as Tab).process.held = true;
    const tab = open({ visible: false }).join();
    await world.run(1_500);
    expect(tab.adopted).toEqual([null]);
    expect(tab.cursor).toBe(1);
  });
});

describe('requests', () => {
  it('of a follower are done by the leader, once', async () => {
    const tabs = await opened({}, {});
    (tabs[1] as Tab).ask({ do: 'ack', ids: ['a'] });
    await world.run(10_000);
    expect(server.done).toEqual([{ do: 'ack', ids: ['a'] }]);
  });

  it('wait for the connection', async () => {
    const tab = open();
    tab.join();
    tab.ask({ do: 'ack', ids: ['a'] });
    await world.run(5);
    expect(server.done).toEqual([]);
    await world.run(1_000);
    expect(server.done).toEqual([{ do: 'ack', ids: ['a'] }]);
  });

  it('handed to a leader that then stopped are done by the next one', async () => {
    const tabs = await opened({ visible: false }, {});
    (tabs[0] as Tab).process.held = true;
    (tabs[1] as Tab).ask({ do: 'ack', ids: ['a'] });
    await world.run(5_000);
    expect(server.done).toEqual([{ do: 'ack', ids: ['a'] }]);
  });

  it('of a tab that follows one leader after another are done by the one that can', async () => {
    const tabs = (await opened({ visible: false }, {}, { visible: false })) as [Tab, Tab, Tab];
    tabs[0].process.held = true;
    tabs[2].ask({ do: 'ack', ids: ['a'] });
    await world.run(5_000);
    expect(roles(tabs.slice(1))).toBe('leader follower');
    expect(server.done).toEqual([{ do: 'ack', ids: ['a'] }]);
  });

  it('of a tab that had no leader at the time are done as well', async () => {
    const tab = open();
    tab.ask({ do: 'ack', ids: ['a'] });
    await world.run(100);
    tab.join();
    await world.run(1_000);
    expect(server.done).toEqual([{ do: 'ack', ids: ['a'] }]);
  });
});

describe('presence', () => {
  it('is that of all tabs, also when a tab crashes', async () => {
    const tabs = await opened({ visible: false }, {}, { visible: false });
    const [leader, second, third] = tabs as [Tab, Tab, Tab];
    expect(leader.tabs.presence().visible).toBe(true);
    expect(third.tabs.presence().visible).toBe(true);
    world.kill(second.process);
    await world.run(50);
    expect(leader.tabs.presence().visible).toBe(false);
    expect(third.tabs.presence().visible).toBe(false);
  });

  it('tells of input in any tab', async () => {
    const tabs = await opened({}, {});
    const [first, second] = tabs as [Tab, Tab];
    second.fire('window', 'pointerdown');
    await world.run(50);
    expect(world.now - first.tabs.presence().lastInputAt).toBeLessThanOrEqual(50);
  });

  it('calls its listeners when something changed, in every tab', async () => {
    const tabs = await opened({}, {});
    const calls = tabs.map(() => 0);
    for (const [at, tab] of tabs.entries()) tab.tabs.onPresence(() => (calls[at] = (calls[at] ?? 0) + 1));
    (tabs[1] as Tab).look(false);
    await world.run(50);
    expect(calls.every((times) => times > 0)).toBe(true);
  });

  it('says input to the others at most every 10 s', async () => {
    const tabs = await opened({}, {});
    const [first, second] = tabs as [Tab, Tab];
    let told = 0;
    first.tabs.onPresence(() => (told += 1));
    for (let n = 0; n < 50; n += 1) {
      second.fire('window', 'pointermove');
      await world.run(100);
    }
    expect(told).toBe(1);
  });
});

describe('signing out', () => {
  it('reaches every tab of this user, and no other', async () => {
    const tabs = await opened({}, {}, { user: 'bob' });
    (tabs[1] as Tab).act(() => tabs[1]?.tabs.signOut());
    await world.run(100);
    expect(tabs.map((tab) => tab.signedOut)).toEqual([1, 1, 0]);
    expect(sockets()).toBe(1);
  });

  it('also from a tab that holds nothing', async () => {
    const [tab] = await opened({});
    const idle = open();
    idle.act(() => idle.tabs.signOut());
    await world.run(100);
    expect(tab?.signedOut).toBe(1);
  });
});

describe('without locks or channels', () => {
  it.each([{ locks: 'refused' }, { locks: 'absent' }, { channels: 'refused' }, { shared: false }] as const)(
    'every tab leads itself: %o',
    async (setup) => {
      const tabs = await opened(setup, setup);
      server.publish('ann');
      await world.run(1_000);
      expect(roles(tabs)).toBe('alone alone');
      expect(sockets()).toBe(2);
      for (const tab of tabs) expect(tab.cursor).toBe(1);
    },
  );

  it('what was asked for before it showed is done', async () => {
    const tab = open({ locks: 'refused' }).join();
    tab.ask({ do: 'ack', ids: ['a'] });
    await world.run(1_000);
    expect(server.done).toEqual([{ do: 'ack', ids: ['a'] }]);
  });

  it('tabs still hear of input and of signing out where there is a channel', async () => {
    const tabs = await opened({ locks: 'absent' }, { locks: 'absent', visible: false });
    const [first, second] = tabs as [Tab, Tab];
    first.fire('window', 'keydown');
    await world.run(50);
    expect(second.tabs.presence()).toMatchObject({ visible: false });
    expect(second.tabs.presence().lastInputAt).toBeGreaterThan(0);
    first.act(() => first.tabs.signOut());
    await world.run(50);
    expect(second.signedOut).toBe(1);
  });

  it('a tab that left does not come back because locks were refused late', async () => {
    const tab = open({ locks: 'refused' });
    tab.act(() => {
      tab.tabs.join();
      void tab.tabs.leave();
    });
    await world.run(1_000);
    expect(tab.tabs.role).toBe('none');
    expect(sockets()).toBe(0);
  });
});

describe('the connection that followers show', () => {
  it('is the leader’s, with their own role', async () => {
    const tabs = await opened({}, {});
    expect(last(tabs[1] as Tab)).toMatchObject({ state: 'live', role: 'follower' });
  });

  const at = (state: Connection['state']): Connection => ({
    state,
    since: 0,
    isConnected: state === 'live',
    isConnecting: state === 'connecting',
    attempts: 0,
    retryAt: null,
    error: null,
    role: 'leader',
    transport: null,
  });

  it('stands for 3 s between two leaders', async () => {
    const process = world.process('page');
    const followed: string[] = [];
    const gap = createGap(
      {
        now: () => world.now,
        setTimeout: (run, ms) => world.task(process, 'timers', ms, run),
        clearTimeout: (task) => process.tasks.splice(process.tasks.indexOf(task as never) >>> 0, 1),
      },
      (connection) => followed.push(connection.state),
    );
    expect(gap.settle(at('live')).state).toBe('live');
    expect(gap.settle(at('connecting')).state).toBe('connecting');
    gap.settle(at('live'));
    gap.begin();
    expect(gap.settle(at('connecting')).state).toBe('live');
    await world.run(2_999);
    expect(followed).toEqual([]);
    await world.run(1);
    expect(followed).toEqual(['connecting']);
    gap.settle(at('live'));
    gap.begin();
    gap.settle(at('connecting'));
    gap.settle(at('live'));
    await world.run(5_000);
    expect(followed).toEqual(['connecting']);
    gap.begin();
    expect(gap.settle(at('stopped')).state).toBe('stopped');
  });

  it('keeps the code of its error on the way', () => {
    const error = Object.assign(new Error('no'), { name: 'BelfryError', code: 'offline', status: 4401 }) as never;
    const there = unpack(structuredClone(pack({ ...at('retrying'), error })));
    expect(there.error).toBeInstanceOf(Error);
    expect(there.error).toMatchObject({ name: 'BelfryError', message: 'no', code: 'offline', status: 4401 });
    expect(there.role).toBe('follower');
  });
});
