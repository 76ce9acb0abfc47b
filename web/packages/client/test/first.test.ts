import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Client } from '../src/types.js';
import { FakeLocks } from './support/locks.js';
import { Online } from './support/online.js';

/** The network, as far as code comes from it. */
const network = vi.hoisted(() => ({ arrive: () => {}, code: Promise.resolve() }));

vi.mock('../src/later.js', async (original) => {
  const { createLater } = await original<typeof import('../src/later.js')>();
  return {
    createLater: <T>(load: () => Promise<T>) =>
      createLater(async () => {
        await network.code;
        return load();
      }),
  };
});

beforeEach(() => {
  network.code = new Promise((resolve) => {
    network.arrive = resolve;
  });
  vi.stubGlobal('navigator', { locks: new FakeLocks() });
});
const clients: Client[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.dispose();
  vi.unstubAllGlobals();
});

function tab(net: Online, user = 'ann'): Client {
  const client = net.client({ tabs: 'shared', user });
  clients.push(client);
  return client;
}
async function eventually(net: Online, what: string, holds: () => boolean): Promise<void> {
  for (let turn = 0; !holds(); turn++) {
    if (turn > 400) throw new Error(`never: ${what}`);
    await net.clock.advance(25);
  }
}
const connected = (client: Client) => (): boolean => client.connection.get().isConnected;
const live = (client: Client) => (): boolean => client.connection.get().state === 'live';
const openSockets = (net: Online): number => net.sockets.filter(({ readyState }) => readyState === 1).length;

describe('while the rest of the client is loading', () => {
  it('the connection opens, and what it brings is told when somebody can hear it, once and in order', async () => {
    const net = new Online();
    const client = tab(net);
    const heard: string[] = [];
    client.on('deal', ({ title }) => heard.push(title), { replay: 'catch-up' });
    client.connect();
    await eventually(net, 'a connection', connected(client));
    expect(client.connection.get()).toMatchObject({ state: 'catching-up', role: 'leader' });
    expect(net.requests).toEqual([]);
    await net.publish({ title: 'early' });
    expect(heard).toEqual([]);
    network.arrive();
    await eventually(net, 'live', live(client));
    await net.publish({ title: 'later' });
    await eventually(net, 'both', () => client.alerts.get().length === 2);
    expect(client.alerts.get().map(({ title }) => title)).toEqual(['later', 'early']);
    expect(heard).toEqual(['early', 'later']);
    expect(net.sockets).toHaveLength(1);
    await net.clock.advance(100);
    expect(net.socket.of('ack')).not.toEqual([]);
  });

  it('a second tab waits for it, and follows', async () => {
    const net = new Online();
    const [one, two] = [tab(net), tab(net)];
    one.connect();
    two.connect();
    await eventually(net, 'a connection', () => net.sockets.length > 0);
    await net.clock.advance(1_000);
    expect(net.sockets).toHaveLength(1);
    network.arrive();
    await eventually(net, 'both live', () => live(one)() && live(two)());
    expect([one, two].map((client) => client.connection.get().role).sort()).toEqual(['follower', 'leader']);
    await eventually(net, 'one socket', () => openSockets(net) === 1);
  });

  it('a connection that ended meanwhile leaves nothing behind that would be told', async () => {
    const net = new Online();
    const client = tab(net);
    const frames: string[] = [];
    client.onMessage(({ type }) => frames.push(type));
    client.connect();
    await eventually(net, 'a connection', connected(client));
    await net.publish();
    await net.drop();
    await net.clock.advance(1_000);
    await eventually(net, 'another connection', connected(client));
    network.arrive();
    await eventually(net, 'live', live(client));
    expect(frames.filter((type) => type === 'connection-established')).toHaveLength(1);
    expect(frames).not.toContain('deal');
    expect(client.alerts.get()).toHaveLength(1);
  });

  it('a person who leaves is gone: nothing of theirs is told to the next one', async () => {
    const net = new Online();
    const client = tab(net);
    const frames: string[] = [];
    client.onMessage(({ type }) => frames.push(type));
    client.connect();
    await eventually(net, 'a connection', connected(client));
    await net.publish({ title: 'of ann' });
    await client.identify('bob');
    net.model.user = 'bob';
    net.model.entries = [];
    network.arrive();
    await eventually(net, 'bob is live', live(client));
    expect(client.user.get()).toBe('bob');
    expect(client.alerts.get()).toEqual([]);
    expect(frames.filter((type) => type === 'deal')).toEqual([]);
    expect(openSockets(net)).toBe(1);
  });

  it('another person’s connection is refused, and the tab still takes part afterwards', async () => {
    const net = new Online();
    net.model.user = 'bob';
    const client = tab(net);
    client.connect();
    await eventually(net, 'stopped', () => client.connection.get().state === 'stopped');
    expect(client.connection.get().error?.code).toBe('user-changed');
    network.arrive();
    await net.clock.advance(1_000);
    expect(client.connection.get().state).toBe('stopped');
    expect(net.sockets).toHaveLength(1);
    net.model.user = 'ann';
    client.retryNow();
    await eventually(net, 'live', live(client));
    expect(client.connection.get().role).toBe('leader');
  });

  it('lists and changes are there, and wait', async () => {
    const net = new Online();
    net.model.publish({ title: 'one' });
    const client = tab(net);
    client.connect();
    const list = client.list({ unread: true });
    expect([list.status.get(), list.items.get(), list.hasMore.get()]).toEqual(['loading', [], false]);
    let told = false;
    const read = client.markRead('id-000001').then(() => {
      told = true;
    });
    await eventually(net, 'a connection', connected(client));
    expect([told, net.requests]).toEqual([false, []]);
    network.arrive();
    await read;
    await eventually(net, 'read', () => client.alerts.get()[0]?.state.read === true);
    await eventually(net, 'a list', () => list.status.get() === 'ready');
    list.dispose();
  });

  it('code that the network failed is asked for again, and nothing is lost meanwhile', async () => {
    network.code = Promise.reject(new TypeError('no network'));
    const net = new Online();
    const client = tab(net);
    client.connect();
    await eventually(net, 'a connection', connected(client));
    await eventually(net, 'it was told', () => net.errors.length > 0);
    expect(net.errors[0]).toMatchObject({
      code: 'request-failed',
      message: 'no network; reload the page if this stays so',
    });
    await net.publish();
    network.code = Promise.resolve();
    await net.clock.advance(5_000);
    await eventually(net, 'live', live(client));
    expect(client.alerts.get()).toHaveLength(1);
    expect(net.sockets).toHaveLength(1);
  });

  it('who leaves connects no more', async () => {
    const net = new Online();
    const client = tab(net);
    client.connect();
    await eventually(net, 'a connection', connected(client));
    client.disconnect();
    expect(openSockets(net)).toBe(0);
    network.arrive();
    await net.clock.advance(5_000);
    expect(client.connection.get()).toMatchObject({ state: 'idle', role: 'none' });
    expect(net.sockets).toHaveLength(1);
  });

  it('a browser without locks connects all the same', async () => {
    vi.stubGlobal('navigator', {});
    const net = new Online();
    const client = tab(net);
    client.connect();
    await eventually(net, 'a connection', connected(client));
    network.arrive();
    await eventually(net, 'live', live(client));
    expect(client.connection.get().role).toBe('alone');
    expect(net.sockets).toHaveLength(1);
  });
});
