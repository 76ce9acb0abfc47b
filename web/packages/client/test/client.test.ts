import { afterEach, describe, expect, it, vi } from 'vitest';
import { createClient } from '../src/client.js';
// The lazy chunk is here already: loading it takes time that no fake clock has.
import '../src/sse.js';
import type { AnyAlert, ConnectionState } from '../src/types.js';
import { Online, problem } from './support/online.js';

afterEach(() => vi.unstubAllGlobals());

const titles = (alerts: readonly AnyAlert[]): string[] => alerts.map(({ title }) => title);

describe('before the first hold', () => {
  it('nothing of the browser is touched', () => {
    const touched: string[] = [];
    for (const name of ['window', 'document', 'location', 'navigator', 'localStorage', 'indexedDB', 'WebSocket']) {
      vi.stubGlobal(name, undefined);
      Object.defineProperty(globalThis, name, {
        configurable: true,
        get() {
          touched.push(name);
          throw new Error(name);
        },
      });
    }
    for (const name of ['BroadcastChannel', 'fetch', 'setTimeout', 'addEventListener'] as const) {
      vi.stubGlobal(name, () => touched.push(name));
    }
    const client = createClient();
    for (const value of [client.connection, client.alerts, client.unread, client.doNotDisturb, client.sound])
      value.get();
    client.connection.subscribe(() => {})();
    client.on('deal', () => {})();
    client.onMessage(() => {})();
    client.push.state.get();
    client.preferences.get();
    client.dispose();
    expect(touched).toEqual([]);
    expect(client.connection.get()).toMatchObject({ state: 'idle', role: 'none', error: null });
  });
});

describe('holds', () => {
  it('connect on the first and leave a while after the last', async () => {
    const net = new Online();
    const client = net.client();
    const states: ConnectionState[] = [];
    client.connection.subscribe(({ state }) => states.push(state));
    const first = client.hold();
    const second = client.hold();
    await net.until(client, 'live');
    expect(states).toEqual(['connecting', 'catching-up', 'live']);
    first();
    first();
    await net.clock.advance(10_000);
    expect(client.connection.get().state).toBe('live');
    second();
    await net.clock.advance(2_999);
    expect(client.connection.get().state).toBe('live');
    await net.clock.advance(1);
    expect(client.connection.get()).toMatchObject({ state: 'idle', role: 'none' });
    expect(net.socket.readyState).toBe(3);
    expect(net.clock.pending).toBe(0);
  });

  it('that follow each other share one connection', async () => {
    const net = new Online();
    const client = net.client();
    for (let mount = 0; mount < 5; mount++) {
      const release = client.hold();
      await net.clock.advance(100);
      release();
      await net.clock.advance(1_000);
    }
    expect(net.sockets).toHaveLength(1);
  });

  it('disconnect leaves at once, whoever else holds, and connect comes back', async () => {
    const net = new Online();
    const client = await net.live();
    client.hold();
    client.disconnect();
    expect(client.connection.get().state).toBe('idle');
    await net.clock.advance(60_000);
    expect(net.sockets).toHaveLength(1);
    client.connect();
    await net.until(client, 'live');
    expect(net.sockets).toHaveLength(2);
  });

  it('nobody signed in: nothing happens', async () => {
    const net = new Online();
    const client = net.client({ user: null });
    client.connect();
    await net.clock.advance(60_000);
    expect(net.sockets).toHaveLength(0);
    expect(net.requests).toHaveLength(0);
    expect(client.connection.get().state).toBe('idle');
  });

  it('of a client that cannot tell where the server is throw nothing', () => {
    const net = new Online();
    const client = net.client({ url: '/belfry' });
    client.hold();
    expect(client.connection.get()).toMatchObject({ state: 'stopped', error: { code: 'connect-failed' } });
    expect(net.errors.map(({ code }) => code)).toEqual(['connect-failed']);
  });

  it('dispose ends it for good', async () => {
    const net = new Online();
    const client = await net.live();
    client.dispose();
    client.connect();
    client.hold();
    await net.clock.advance(60_000);
    expect(net.sockets).toHaveLength(1);
    expect(net.clock.pending).toBe(0);
  });

  it('a hundred connections leave nothing behind', async () => {
    const net = new Online();
    const client = net.client();
    for (let round = 0; round < 100; round++) {
      client.connect();
      await net.until(client, 'live');
      client.disconnect();
    }
    await net.clock.settle();
    expect(net.clock.pending).toBe(0);
    expect(net.sockets.filter(({ readyState }) => readyState !== 3)).toEqual([]);
  });
});

describe('alerts', () => {
  it('come to the listeners of their kind, of their event and of all frames', async () => {
    const net = new Online();
    const client = await net.live({ events: { custom: 'shop:special' } });
    const heard: unknown[] = [];
    client.on('deal-notification', (alert) => heard.push(['kind', alert.title]));
    client.on('notification:deal', (data, alert) => heard.push(['event', data, alert.title]));
    client.on('notification:other', (data) => heard.push(['other', data]));
    client.on('shop:special' as 'notification:special', (data) => heard.push(['special', data]));
    client.onMessage(({ type }) => heard.push(['frame', type]));
    await net.publish({ kind: 'deal-notification', title: 'Milk' });
    await net.publish({ kind: 'other' });
    await net.publish({ kind: 'custom' });
    expect(heard).toEqual([
      ['frame', 'deal-notification'],
      ['kind', 'Milk'],
      ['event', { n: 1 }, 'Milk'],
      ['frame', 'other'],
      ['other', { n: 2 }],
      ['frame', 'custom'],
      ['special', { n: 3 }],
    ]);
    expect(titles(client.alerts.get())[2]).toBe('Milk');
    expect(client.unread.get()).toBe(3);
  });

  it('are heard no more after the listener left', async () => {
    const net = new Online();
    const client = await net.live();
    const heard: string[] = [];
    const controller = new AbortController();
    const stop = client.on('deal', ({ id }) => heard.push(id));
    client.on('deal', ({ id }) => heard.push(id), { signal: controller.signal });
    client.on('deal', ({ id }) => heard.push(id), { signal: AbortSignal.abort() });
    await net.publish();
    stop();
    controller.abort();
    await net.publish();
    expect(heard).toEqual(['id-000001', 'id-000001']);
  });

  it('go on after a listener threw, and the application is told', async () => {
    const net = new Online();
    const client = await net.live();
    const heard: string[] = [];
    client.on('deal', () => {
      throw new Error('mine');
    });
    client.on('deal', ({ id }) => heard.push(id));
    await net.publish();
    await net.publish();
    expect(heard).toEqual(['id-000001', 'id-000002']);
    expect(net.errors.map(({ code, message }) => [code, message])).toEqual([
      ['handler-failed', 'mine'],
      ['handler-failed', 'mine'],
    ]);
  });

  it('are confirmed once, as a range, after the listeners had them', async () => {
    const net = new Online();
    const client = await net.live();
    let heard = 0;
    client.on('deal', () => {
      heard++;
      expect(net.socket.of('ack')).toEqual([]);
    });
    for (let n = 0; n < 5; n++) await net.publish();
    await net.clock.advance(100);
    expect(heard).toBe(5);
    expect(net.socket.of('ack')).toEqual([{ stream: 'user', after: 0, up_to: 5, level: 'received' }]);
  });

  it('of the first page are told to nobody who did not ask for them', async () => {
    const net = new Online();
    for (let n = 0; n < 3; n++) net.model.publish();
    const client = net.client();
    const live: string[] = [];
    const caught: string[] = [];
    const all: string[] = [];
    client.on('deal', ({ id }) => live.push(id));
    client.on('deal', ({ id }) => caught.push(id), { replay: 'catch-up' });
    client.on('deal', ({ id }) => all.push(id), { replay: 'all' });
    client.connect();
    await net.until(client, 'live');
    expect([live, caught, all]).toEqual([[], [], ['id-000001', 'id-000002', 'id-000003']]);
    const late: string[] = [];
    client.on('deal', ({ id }) => late.push(id), { replay: 'all' });
    await net.clock.settle();
    expect(late).toEqual(all);
    await net.clock.advance(100);
    expect(net.socket.of('ack')).toEqual([{ ids: ['id-000003', 'id-000002', 'id-000001'], level: 'received' }]);
  });

  it('that were missed come once, in order, to those who asked, and the list has them', async () => {
    const net = new Online();
    const client = await net.live();
    const live: string[] = [];
    const caught: string[] = [];
    const frames: unknown[] = [];
    client.on('deal', ({ id }) => live.push(id));
    client.on('deal', ({ id }) => caught.push(id), { replay: 'catch-up' });
    client.onMessage(({ type, timestamp }) => frames.push([type, timestamp.slice(0, 4)]), { replay: 'catch-up' });
    await net.publish();
    await net.drop();
    await net.publish();
    await net.publish();
    expect(client.connection.get().state).toBe('retrying');
    frames.length = 0;
    await net.clock.advance(1_000);
    await net.until(client, 'live');
    expect(live).toEqual(['id-000001']);
    expect(caught).toEqual(['id-000001', 'id-000002', 'id-000003']);
    expect(frames).toEqual([
      ['connection-established', '2026'],
      ['catch-up', '2026'],
      ['deal', '2026'],
      ['deal', '2026'],
    ]);
    expect(client.alerts.get()).toHaveLength(3);
    expect(net.socket.of('resume')).toEqual([{ cursor: '9f1c22ab00e1d2c3.1.0', max: 500 }]);
  });

  it('that were missed since the last visit come at the next one', async () => {
    const net = new Online();
    const before = await net.live();
    await net.publish();
    await net.clock.advance(500);
    before.dispose();
    await net.publish();
    const client = net.client();
    const caught: string[] = [];
    client.on('deal', ({ id }) => caught.push(id), { replay: 'catch-up' });
    client.connect();
    expect(client.unread.get()).toBe(1);
    await net.until(client, 'live');
    await net.clock.settle();
    expect(caught).toEqual(['id-000002']);
    expect(client.alerts.get()).toHaveLength(2);
    expect([...net.stored].filter(([, value]) => value.includes('id-'))).toEqual([]);
  });

  it('heal a gap', async () => {
    const net = new Online();
    const client = await net.live();
    net.model.publish();
    net.model.down.shift();
    await net.publish();
    await net.clock.settle();
    expect(titles(client.alerts.get())).toEqual(['id-000002', 'id-000001']);
    expect(client.connection.get().state).toBe('live');
    expect(net.sockets).toHaveLength(1);
  });

  it('are asked for again where the server passed the question over', async () => {
    const net = new Online();
    const client = await net.live();
    net.model.publish();
    net.model.down = [];
    const { hears } = net;
    net.hears = () => {};
    await net.publish();
    expect(client.connection.get().state).toBe('catching-up');
    net.hears = hears;
    await net.clock.advance(10_000);
    expect(client.connection.get().state).toBe('live');
    expect(client.alerts.get()).toHaveLength(2);
  });

  it('start over where the server has another numbering', async () => {
    const net = new Online();
    const client = await net.live();
    for (let n = 0; n < 3; n++) await net.publish();
    net.model.epoch = 'abcdef0123456789';
    net.model.entries = [];
    net.model.heads = { user: 0, all: 0 };
    net.model.publish({ title: 'new' });
    await net.drop();
    await net.clock.advance(1_000);
    await net.until(client, 'live');
    expect(titles(client.alerts.get())).toEqual(['new']);
    expect(client.unread.get()).toBe(1);
  });
});

describe('who it is', () => {
  it('never shows anything of another person', async () => {
    const net = new Online();
    const client = await net.live();
    await net.publish({ title: 'of ann' });
    const heard: string[] = [];
    client.onMessage(({ type }) => heard.push(type));
    await net.drop();
    net.model.user = 'bob';
    net.model.publish({ title: 'of bob' });
    await net.clock.advance(1_000);
    await net.clock.settle();
    expect(client.connection.get()).toMatchObject({ state: 'stopped', error: { code: 'user-changed' } });
    expect(client.alerts.get()).toEqual([]);
    expect(heard).toEqual([]);
    expect(net.socket.readyState).toBe(3);
    expect(net.errors.map(({ code }) => code)).toContain('user-changed');
    await net.clock.advance(600_000);
    expect(net.sockets).toHaveLength(2);
  });

  it('is learned from the server where the application does not know', async () => {
    const net = new Online();
    net.model.publish();
    const client = net.createUnknown();
    expect(client.user.get()).toBeNull();
    client.connect();
    await net.until(client, 'live');
    expect(client.user.get()).toBe('ann');
    expect(client.alerts.get()).toHaveLength(1);
    expect(net.sockets).toHaveLength(1);
    await net.drop();
    net.model.user = 'bob';
    await net.clock.advance(1_000);
    expect(client.connection.get()).toMatchObject({ state: 'stopped', error: { code: 'user-changed' } });
  });

  it('changes: leaves, forgets, and joins anew', async () => {
    const net = new Online();
    const client = await net.live();
    await net.publish();
    await net.clock.advance(500);
    expect(net.stored.size).toBeGreaterThan(0);
    const first = net.socket;
    net.model.user = 'bob';
    net.model.entries = [];
    await client.identify('bob');
    expect(first.readyState).toBe(3);
    expect(client.alerts.get()).toEqual([]);
    expect(client.user.get()).toBe('bob');
    await net.until(client, 'live');
    expect([...net.stored.keys()].filter((key) => key.endsWith('ann/at'))).toEqual([]);
  });

  it('nobody: it is quiet and empty until somebody signs in', async () => {
    const net = new Online();
    const client = await net.live();
    await net.publish();
    await client.identify(null);
    expect(client.connection.get().state).toBe('idle');
    expect(client.alerts.get()).toEqual([]);
    expect(client.unread.get()).toBe(0);
    await net.clock.advance(60_000);
    expect(net.sockets).toHaveLength(1);
    await client.identify('ann');
    await net.until(client, 'live');
    expect(client.alerts.get()).toHaveLength(1);
  });
});

describe('tokens', () => {
  it('travel in the subprotocol and in every call', async () => {
    const net = new Online();
    const reasons: string[] = [];
    const client = await net.live({
      token: ({ reason }) => {
        reasons.push(reason);
        return 'abc.def.ghi';
      },
    });
    expect(net.socket.protocols).toEqual(['belfry.v1', 'bearer.abc.def.ghi']);
    expect(String(net.socket.url)).toBe('wss://shop.example/belfry/ws');
    await client.preferences.load().catch(() => {});
    expect(new Set(net.requests.map(({ authorization }) => authorization))).toEqual(new Set(['Bearer abc.def.ghi']));
    expect(reasons).toEqual(['connect']);
  });

  it('travel in the address where the application says so', async () => {
    const net = new Online();
    await net.live({ token: () => 'abc', auth: 'query' });
    expect(net.socket.protocols).toEqual(['belfry.v1']);
    expect(net.socket.url.searchParams.get('token')).toBe('abc');
  });

  it('that are refused are asked for anew, and twice in a row is enough', async () => {
    const net = new Online();
    const reasons: string[] = [];
    net.refuses = 4401;
    const client = net.client({
      token: ({ reason }) => {
        reasons.push(reason);
        return 'abc';
      },
    });
    client.connect();
    await net.clock.advance(600_000);
    expect(reasons).toEqual(['connect', 'rejected']);
    expect(client.connection.get().state).toBe('stopped');
    net.refuses = null;
    client.connect();
    await net.until(client, 'live');
    expect(client.connection.get().error).toBeNull();
  });

  it('are renewed on the open connection before they end', async () => {
    const net = new Online();
    net.facts = { token_expires_at: '2026-01-01T00:15:00.000Z', heartbeat: { interval_ms: 1e9, timeout_ms: 1 } };
    const reasons: string[] = [];
    let n = 0;
    await net.live({
      token: ({ reason }) => {
        reasons.push(reason);
        n++;
        return `token-${n}`;
      },
    });
    await net.clock.advance(719_999);
    expect(reasons).toEqual(['connect']);
    await net.clock.advance(1);
    expect(reasons).toEqual(['connect', 'expiring']);
    expect(net.socket.of('authenticate')).toEqual([{ token: 'token-2' }]);
    expect(net.sockets).toHaveLength(1);
  });

  it('that cannot be had do not end it', async () => {
    const net = new Online();
    let fails = true;
    const client = net.client({
      token: () => {
        if (fails) throw new Error('the session server is away');
        return 'abc';
      },
    });
    client.connect();
    await net.clock.settle();
    expect(client.connection.get()).toMatchObject({ state: 'retrying', error: { code: 'token-unavailable' } });
    fails = false;
    await net.clock.advance(1_000);
    await net.until(client, 'live');
  });

  it('null means that nobody is signed in', async () => {
    const net = new Online();
    const client = net.client({ token: () => null });
    client.connect();
    await net.clock.advance(60_000);
    expect(client.connection.get().state).toBe('idle');
    expect(net.sockets).toHaveLength(0);
  });

  it('are asked for once, however many calls wait for one', async () => {
    const net = new Online();
    let asked = 0;
    let valid = 'old';
    const client = await net.live({
      token: async () => {
        asked++;
        await Promise.resolve();
        return valid;
      },
    });
    expect(asked).toBe(1);
    valid = 'new';
    net.answer = ({ authorization }) => (authorization === 'Bearer new' ? undefined : problem(401, 'token-expired'));
    await net.publish();
    await Promise.all([client.list().refresh(), client.markRead('id-000001'), client.archive('id-000001')]);
    expect(asked).toBe(2);
  });

  it('of a call are renewed once, then the refusal is told', async () => {
    const net = new Online();
    let asked = 0;
    const client = await net.live({
      token: () => {
        asked++;
        return 'x';
      },
    });
    net.answer = () => problem(401, 'unauthorized', 'the signature is wrong');
    await expect(client.markRead('id-1')).rejects.toMatchObject({
      name: 'BelfryError',
      code: 'unauthorized',
      status: 401,
      message: 'the signature is wrong',
      docs: '/docs/errors/unauthorized',
      retryable: false,
    });
    expect(asked).toBe(2);
  });
});

describe('cookies', () => {
  const expiring = { token_expires_at: '2026-01-01T00:10:00.000Z', heartbeat: { interval_ms: 1e9, timeout_ms: 1 } };

  it('are renewed by the application, and the connection is told over HTTP', async () => {
    const net = new Online();
    net.facts = expiring;
    let refreshed = 0;
    net.answer = ({ path }) =>
      path.endsWith('/authenticate') ? Response.json({ token_expires_at: '2026-01-01T00:18:00.000Z' }) : undefined;
    await net.live({
      refresh: async () => {
        refreshed++;
        return true;
      },
    });
    await net.clock.advance(480_000);
    expect(refreshed).toBe(1);
    expect(net.asked('POST', 'v1/connections/connection-1/authenticate')).toHaveLength(1);
    // Ten minutes later the new one ends: four fifths of that.
    await net.clock.advance(479_999);
    expect(refreshed).toBe(1);
    await net.clock.advance(1);
    expect(refreshed).toBe(2);
    expect(net.sockets).toHaveLength(1);
  });

  it('of a connection on another node: a new one is there before the old one goes', async () => {
    const net = new Online();
    net.facts = expiring;
    net.answer = ({ path }) => (path.endsWith('/authenticate') ? problem(404, 'connection-unknown') : undefined);
    const client = await net.live({ refresh: () => Promise.resolve(true) });
    const states: string[] = [];
    client.connection.subscribe(({ isConnected }) => states.push(String(isConnected)));
    const [old] = net.sockets;
    await net.clock.advance(480_000);
    expect(net.sockets).toHaveLength(2);
    expect(old?.readyState).toBe(3);
    expect(new Set(states)).not.toContain('false');
    await net.publish();
    expect(client.alerts.get()).toHaveLength(1);
  });

  it('that nobody renews are not asked for, and the connection goes on as long as the server lets it', async () => {
    const net = new Online();
    net.facts = expiring;
    const client = await net.live();
    await net.clock.advance(599_000);
    expect(net.asked('POST', 'v1/connections/connection-1/authenticate')).toHaveLength(0);
    expect(client.connection.get().state).toBe('live');
  });
});

describe('where no WebSocket gets through', () => {
  it('the third failed upgrade leads to server-sent events', async () => {
    const net = new Online();
    net.blocked = true;
    net.model.publish();
    const client = net.client();
    client.connect();
    await net.clock.advance(10_000);
    await net.until(client, 'live');
    expect(net.sockets).toHaveLength(3);
    expect(client.connection.get().transport).toBe('sse');
    await net.publish();
    expect(client.alerts.get()).toHaveLength(2);
    await net.clock.advance(1_000);
    expect(net.model.acks).toContainEqual({ stream: 'user', after: 1, up_to: 2, level: 'received' });
    expect(client.send('hello', {})).toBe(false);
  });

  it('not while the server does not answer at all', async () => {
    const net = new Online();
    net.out = true;
    const client = net.client();
    client.connect();
    await net.clock.advance(120_000);
    expect(net.sockets.length).toBeGreaterThan(5);
    expect(net.asked('GET', 'v1/events')).toHaveLength(0);
    expect(client.connection.get().state).toBe('offline');
  });

  it('not where the application wants WebSockets alone', async () => {
    const net = new Online();
    net.blocked = true;
    const client = net.client({ transport: 'websocket' });
    client.connect();
    await net.clock.advance(120_000);
    expect(net.requests).toEqual([]);
  });

  it('WebSockets are tried again every ten minutes, and taken without a gap', async () => {
    const net = new Online();
    net.blocked = true;
    const client = net.client();
    client.connect();
    await net.clock.advance(10_000);
    await net.until(client, 'live');
    const heartbeat = setBeat(net);
    await net.clock.advance(600_000);
    expect(net.sockets).toHaveLength(4);
    expect(client.connection.get().transport).toBe('sse');
    net.blocked = false;
    net.events = null;
    await net.clock.advance(600_000);
    heartbeat();
    expect(client.connection.get()).toMatchObject({ transport: 'websocket', isConnected: true });
  });
});

/** The server's pings, so that the link is not given up. */
function setBeat(net: Online): () => void {
  let timer: unknown;
  const beat = (): void => {
    if (net.events) net.say(net.model.ping());
    timer = net.clock.setTimeout(beat, 30_000);
  };
  beat();
  return () => net.clock.clearTimeout(timer);
}

describe('life', () => {
  it('answers the server’s pings, and heals what a ping shows', async () => {
    const net = new Online();
    const client = await net.live();
    net.model.publish();
    net.model.down = [];
    net.say(net.model.ping());
    await net.clock.settle();
    expect(net.socket.of('pong')).toHaveLength(1);
    expect(client.alerts.get()).toHaveLength(1);
  });

  it('leaves a dead link and comes back', async () => {
    const net = new Online();
    const client = await net.live();
    net.socket.silent = true;
    await net.clock.advance(40_000);
    expect(client.connection.get().state).toBe('retrying');
    await net.clock.advance(1_000);
    expect(client.connection.get().state).toBe('live');
    expect(net.sockets).toHaveLength(2);
  });

  it('comes back when the network does, however long it took, with everything', async () => {
    const net = new Online();
    const client = await net.live();
    net.out = true;
    await net.drop();
    for (let n = 0; n < 40; n++) net.model.publish();
    await net.clock.advance(3_600_000);
    expect(client.connection.get().state).toBe('offline');
    net.out = false;
    await net.clock.advance(60_000);
    await net.until(client, 'live');
    expect(client.alerts.get()).toHaveLength(40);
    expect(client.unread.get()).toBe(40);
  });

  it('tries at once when it is asked to', async () => {
    const net = new Online();
    const client = await net.live();
    net.out = true;
    await net.drop();
    net.out = false;
    client.retryNow();
    await net.until(client, 'live');
    expect(net.clock.now()).toBe(Date.parse('2026-01-01T00:00:00Z'));
  });

  it('sends what the application says, and says when it cannot', async () => {
    const net = new Online();
    const client = net.client();
    expect(client.send('hello', { n: 1 })).toBe(false);
    client.connect();
    await net.until(client, 'live');
    expect(client.send('hello', { n: 2 })).toBe(true);
    expect(net.socket.of('hello' as 'ping')).toEqual([{ n: 2 }]);
  });

  it('knows the server’s time, whatever the clock on this side says', async () => {
    const net = new Online();
    net.clock.jump(-3_600_000);
    const client = net.client();
    expect(client.now()).toBe(net.clock.now());
    client.connect();
    await net.until(client, 'live');
    expect(client.now()).toBe(net.clock.now() + 3_600_000);
    await net.clock.advance(1_000);
    expect(client.now()).toBe(net.clock.now() + 3_600_000);
    net.say({ ...net.model.ping(), timestamp: '2026-01-01T00:00:05Z' });
    expect(client.now()).toBe(Date.parse('2026-01-01T00:00:05Z'));
  });

  it('says whether somebody looks', async () => {
    const net = new Online();
    await net.live();
    expect(net.socket.of('presence')).toEqual([{ visible: true, focused: true }]);
  });
});

describe('a server whose pages do not come', () => {
  it('still brings what comes live, and the list says what it lacks', async () => {
    const net = new Online();
    net.model.publish({ title: 'before' });
    net.answer = ({ path }) => (path === 'v1/inbox' ? problem(503, 'overloaded') : undefined);
    const client = await net.live();
    await net.publish({ title: 'live' });
    expect(titles(client.alerts.get())).toEqual(['live']);
    expect(net.sockets).toHaveLength(1);
    expect(net.errors.map(({ code }) => code)).toContain('overloaded');
    net.answer = () => undefined;
    await client.loadMore();
    expect(titles(client.alerts.get())).toEqual(['live', 'before']);
  });
});
