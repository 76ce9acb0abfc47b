import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { AnyAlert, Client, ClientOptions } from '../src/types.js';
import { FakeLocks } from './support/locks.js';
import { Online, problem } from './support/online.js';

// Several clients of one page's origin, with the real tabs between them. Channels are Node's own, locks a model's.

const clients: Client[] = [];
const open = (net: Online, options: ClientOptions = {}): Client => {
  const client = net.client({ tabs: 'shared', ...options });
  clients.push(client);
  return client;
};

beforeEach(() => vi.stubGlobal('navigator', { locks: new FakeLocks() }));
afterEach(() => {
  for (const client of clients.splice(0)) client.dispose();
  vi.unstubAllGlobals();
});

/** Channels take turns of their own, and tabs wait for each other. */
async function eventually(net: Online, what: string, holds: () => boolean): Promise<void> {
  for (let turn = 0; !holds(); turn++) {
    if (turn > 400) throw new Error(`never: ${what}`);
    await net.clock.advance(25);
  }
}
const roles = (...tabs: Client[]): string[] => tabs.map((tab) => tab.connection.get().role).sort();
const titles = (client: Client): string[] => client.alerts.get().map(({ title }) => title);
const openSockets = (net: Online): number => net.sockets.filter(({ readyState }) => readyState === 1).length;

async function two(net: Online, options: ClientOptions = {}): Promise<[leader: Client, follower: Client]> {
  const first = open(net, options);
  first.connect();
  await eventually(net, 'a leader', () => first.connection.get().state === 'live');
  const second = open(net, options);
  second.connect();
  await eventually(net, 'a follower', () => second.connection.get().state === 'live');
  expect(roles(first, second)).toEqual(['follower', 'leader']);
  return [first, second];
}

describe('two tabs', () => {
  it('have one socket, one list and one number', async () => {
    const net = new Online();
    net.model.publish({ title: 'before' });
    const [leader, follower] = await two(net);
    expect(net.sockets).toHaveLength(1);
    expect(net.asked('GET', 'v1/inbox')).toHaveLength(1);
    const heard: string[] = [];
    follower.on('deal', ({ title }) => heard.push(title));
    await net.publish({ title: 'now' });
    await eventually(net, 'it came to both', () => titles(follower)[0] === 'now');
    expect(titles(leader)).toEqual(['now', 'before']);
    expect(titles(follower)).toEqual(['now', 'before']);
    expect([leader.unread.get(), follower.unread.get()]).toEqual([2, 2]);
    expect(heard).toEqual(['now']);
    await net.clock.advance(200);
    const ranges = net.socket.of('ack').filter((ack) => 'stream' in (ack as object));
    expect(ranges).toEqual([{ stream: 'user', after: 1, up_to: 2, level: 'received' }]);
  });

  it('know the server’s time, also the one that came later and never heard the server itself', async () => {
    const net = new Online();
    net.clock.jump(-3_600_000);
    const [leader, follower] = await two(net);
    for (const tab of [leader, follower]) expect(tab.now() - net.clock.now()).toBeGreaterThan(3_590_000);
  });

  it('read in one is read in the other', async () => {
    const net = new Online();
    const [leader, follower] = await two(net);
    await net.publish();
    await eventually(net, 'it came', () => follower.alerts.get().length === 1);
    await follower.markRead(follower.alerts.get()[0] as AnyAlert);
    await eventually(net, 'read in both', () => leader.unread.get() === 0 && follower.unread.get() === 0);
    expect(leader.alerts.get()[0]?.state.read).toBe(true);
  });

  it('the other one takes over where the leader leaves, and nothing is lost or told twice', async () => {
    const net = new Online();
    const [leader, follower] = await two(net);
    const heard: string[] = [];
    follower.on('deal', ({ title }) => heard.push(title), { replay: 'catch-up' });
    await net.publish({ title: 'one' });
    await eventually(net, 'it came', () => heard.length === 1);
    leader.disconnect();
    net.model.publish({ title: 'two' });
    await eventually(net, 'it leads', () => follower.connection.get().role === 'leader');
    await eventually(net, 'it is live', () => follower.connection.get().state === 'live');
    await net.publish({ title: 'three' });
    await eventually(net, 'all came', () => heard.length === 3);
    expect(heard).toEqual(['one', 'two', 'three']);
    expect(net.socket.of('resume')).toEqual([{ cursor: '9f1c22ab00e1d2c3.1.0', max: 500 }]);
    expect(openSockets(net)).toBe(1);
  });

  it('what a follower sends goes out through the leader', async () => {
    const net = new Online();
    const [, follower] = await two(net);
    expect(follower.send('hello', { n: 1 })).toBe(true);
    await eventually(net, 'it was sent', () => net.socket.of('hello' as 'ping').length === 1);
  });

  it('signing out in one signs out both, and forgets', async () => {
    const net = new Online();
    const [leader, follower] = await two(net);
    await net.publish();
    await eventually(net, 'it came', () => follower.alerts.get().length === 1);
    await follower.identify(null);
    await eventually(net, 'both left', () => openSockets(net) === 0 && leader.user.get() === null);
    for (const tab of [leader, follower]) {
      expect([tab.connection.get().state, tab.alerts.get(), tab.unread.get()]).toEqual(['idle', [], 0]);
    }
    await net.clock.advance(60_000);
    expect(net.sockets).toHaveLength(1);
  });

  it('ask the application for a token once', async () => {
    const net = new Online();
    let asked = 0;
    await two(net, {
      token: () => {
        asked++;
        return 'abc';
      },
    });
    expect(asked).toBe(1);
  });

  it('renew a refused token once for both', async () => {
    const net = new Online();
    const asked: string[] = [];
    let valid = 'old';
    const [leader, follower] = await two(net, {
      token: async ({ reason }) => {
        asked.push(reason);
        await net.clock.settle();
        return valid;
      },
    });
    await net.publish();
    await eventually(net, 'it came', () => follower.alerts.get().length === 1);
    // Each tab has a token of its own by now.
    let done = 0;
    const count = (): void => void done++;
    for (const tab of [leader, follower]) tab.list({ unread: true }).refresh().then(count, count);
    await eventually(net, 'both have one', () => done === 2);
    asked.length = 0;
    valid = 'new';
    net.answer = ({ authorization }) => (authorization === 'Bearer new' ? undefined : problem(401, 'token-expired'));
    leader.markRead('id-000001').then(count);
    follower.archive('id-000001').then(count);
    await eventually(net, 'both went through', () => done === 4);
    expect(asked).toEqual(['rejected']);
  });

  it('do not wait for ever for a tab that hangs with the token’s lock', async () => {
    const net = new Online();
    const held = navigator.locks.request(
      'belfry/1//https://shop.example/belfry//ann/token',
      () => new Promise(() => {}),
    );
    void held;
    const client = open(net, { token: () => 'abc' });
    client.connect();
    await eventually(net, 'live', () => client.connection.get().state === 'live');
    expect(net.sockets).toHaveLength(1);
  });

  it('of different people share nothing', async () => {
    const net = new Online();
    const ann = open(net);
    ann.connect();
    await eventually(net, 'ann is live', () => ann.connection.get().state === 'live');
    const bob = open(net, { user: 'bob' });
    net.model.user = 'bob';
    bob.connect();
    await eventually(net, 'bob is live', () => bob.connection.get().state === 'live');
    expect(roles(ann, bob)).toEqual(['leader', 'leader']);
    await bob.identify(null);
    await net.clock.advance(1_000);
    expect(ann.user.get()).toBe('ann');
  });

  it('with a cookie of somebody who changed: the first tab shows nothing of the second person', async () => {
    const net = new Online();
    net.model.publish({ title: 'of ann' });
    const first = open(net);
    const unknown: ClientOptions = { user: undefined as never };
    const one = open(net, unknown);
    one.connect();
    await eventually(net, 'the first tab is live', () => one.connection.get().state === 'live');
    expect(one.user.get()).toBe('ann');
    const heard: string[] = [];
    one.onMessage(({ type }) => heard.push(type));
    net.model.user = 'bob';
    net.model.entries = [];
    net.model.publish({ title: 'of bob' });
    const other = open(net, unknown);
    other.connect();
    await eventually(net, 'the second tab is live', () => other.connection.get().state === 'live');
    expect([other.user.get(), ...titles(other)]).toEqual(['bob', 'of bob']);
    net.sockets[0]?.end(1006);
    await eventually(net, 'the first tab stopped', () => one.connection.get().state === 'stopped');
    expect(one.connection.get().error?.code).toBe('user-changed');
    expect([one.alerts.get(), heard]).toEqual([[], []]);
    expect(other.connection.get().state).toBe('live');
    first.dispose();
  });
});

describe('a frame without locks', () => {
  it.each([
    ['none', {}],
    ['locks that refuse', { locks: { request: () => Promise.reject(new DOMException('denied', 'SecurityError')) } }],
    [
      'locks that throw',
      {
        get locks() {
          throw new DOMException('denied', 'SecurityError');
        },
      },
    ],
  ])('connects by itself: %s', async (_, navigator) => {
    vi.stubGlobal('navigator', navigator);
    const net = new Online();
    const client = open(net, { token: () => 'abc' });
    client.connect();
    await eventually(net, 'live', () => client.connection.get().state === 'live');
    expect(client.connection.get().role).toBe('alone');
    await net.publish();
    expect(client.alerts.get()).toHaveLength(1);
  });

  it('and without channels', async () => {
    vi.stubGlobal('BroadcastChannel', undefined);
    const net = new Online();
    const client = open(net, { token: () => 'abc' });
    client.connect();
    await eventually(net, 'live', () => client.connection.get().state === 'live');
    expect(client.connection.get().role).toBe('alone');
  });
});
