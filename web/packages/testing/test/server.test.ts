import { readFileSync } from 'node:fs';
import { createClient } from '@belfry/client';
import type { ServerMessage } from '@belfry/protocol';
import { describe, expect, it, onTestFinished } from 'vitest';
// The client's lazy chunk is here already: loading it takes time that no fake clock has.
import '../../client/src/account.js';
import { createFakeClock, createFakeServer, createTestPublisher, type FakeServer } from '../src/index.js';

/** A client that knows three fields and nothing else. */
async function connect(server: FakeServer, query: string, protocols: string[] = []) {
  const socket = new server.WebSocket(`ws://belfry.test/ws${query}`, protocols);
  const frames: ServerMessage[] = [];
  const clock = createFakeClock();
  let end: { code: number; reason: string } | null = null;
  socket.onmessage = ({ data }) => frames.push(JSON.parse(String(data)));
  socket.onclose = ({ code, reason }) => {
    end = { code, reason };
  };
  await clock.settle();
  return {
    socket,
    frames,
    end: () => end,
    say: async (type: string, data: unknown) => {
      socket.send(JSON.stringify({ type, data }));
      await clock.settle();
    },
    settle: () => clock.settle(),
  };
}

const speaking = ['belfry.v1', 'bearer.ann'];

describe('frames', () => {
  /** Every field of a golden frame and of ours, by its place; lists by their first entry. */
  function shape(value: unknown, place = ''): string[] {
    if (Array.isArray(value)) return value.length === 0 ? [`${place}[]`] : shape(value[0], `${place}[]`);
    if (typeof value !== 'object' || value === null) return [place];
    return Object.entries(value).flatMap(([name, inner]) => shape(inner, `${place}.${name}`));
  }
  const golden = (name: string): unknown =>
    JSON.parse(
      readFileSync(new URL(`../../../../crates/belfry-protocol/fixtures/${name}.json`, import.meta.url), 'utf8'),
    );

  it('have the fields of the golden ones', async () => {
    const server = createFakeServer();
    const ann = await connect(server, '', speaking);
    await ann.say('resume', { cursor: null });
    const first = server.publish('ann', { kind: 'deal-notification', data: {} });
    server.publish({ everyone: true }, { kind: 'system-message', data: {} });
    server.change('ann', [first], 'read');
    server.recall(first);
    server.setDoNotDisturb('ann', { until: '2099-01-01T00:00:00Z' });
    server.ping();
    await ann.say('ping', { sent_at: 7 });
    const cursor = '9f1c22ab00e1d2c3.0.0';
    server.publish('ann', { kind: 'deal-notification', data: {} });
    await ann.say('resume', { cursor });
    await ann.say('resume', { cursor: 'nonsense' });
    await ann.say('', '');
    ann.socket.send('no JSON');
    await ann.settle();
    server.goAway();
    await ann.settle();

    const byType = new Map(ann.frames.map((frame) => [frame.type as string, frame]));
    const names = [
      'connection-established',
      'settings-changed',
      'inbox-changed',
      'catch-up',
      'reset',
      'ping',
      'pong',
      'going-away',
      'error',
    ];
    for (const name of names) {
      const wanted = new Set(shape(golden(`server.${name}`)).map((place) => place.replace(/\[\].*/, '')));
      const got = new Set(shape(byType.get(name)).map((place) => place.replace(/\[\].*/, '')));
      expect(got, name).toEqual(wanted);
    }
    const data = /^\.data\./;
    const ours = shape(byType.get('deal-notification')).filter((place) => !data.test(place) && place !== '');
    const theirs = shape(golden('alert.user')).filter((place) => !data.test(place) && place !== '');
    expect(ours.filter((place) => !theirs.includes(place) && place !== '.data')).toEqual([]);
    expect(theirs.filter((place) => !ours.includes(place))).toEqual([]);
  });

  it('of alerts are numbered without gaps, per person and for all', async () => {
    const server = createFakeServer();
    const ann = await connect(server, '?token=ann');
    const bob = await connect(server, '?token=bob');
    server.publish('ann', { kind: 'a' });
    server.publish(['ann', 'bob'], { kind: 'b' });
    server.publish({ everyone: true }, { kind: 'c' });
    await ann.settle();
    const places = (frames: readonly ServerMessage[]): unknown[] =>
      frames.flatMap((frame) => ('seq' in frame ? [[frame.type, frame.stream, frame.seq]] : []));
    expect(places(ann.frames)).toEqual([
      ['a', 'user', 1],
      ['b', 'user', 2],
      ['c', 'all', 1],
    ]);
    expect(places(bob.frames)).toEqual([
      ['b', 'user', 1],
      ['c', 'all', 1],
    ]);
    expect([server.unreadOf('ann'), server.unreadOf('bob')]).toEqual([3, 2]);
  });
});

describe('resuming', () => {
  it('tells changes of what is known, then what is new, and covers all of it', async () => {
    const server = createFakeServer();
    const first = server.publish('ann', { kind: 'a' });
    const second = server.publish('ann', { kind: 'a' });
    server.change('ann', [first], 'read');
    server.recall(second);
    const third = server.publish('ann', { kind: 'a' });
    const ann = await connect(server, '', speaking);
    await ann.say('resume', { cursor: '9f1c22ab00e1d2c3.2.0' });
    const [changes, items] = ann.frames.slice(1);
    expect(changes).toMatchObject({
      type: 'catch-up',
      data: {
        changes: [
          { id: first, version: 3, state: { read: true } },
          { id: second, version: 4, left: 'recalled' },
        ],
        items: [],
        more: true,
      },
    });
    expect(items).toMatchObject({
      data: { changes: [], items: [{ id: third, seq: 5 }], more: false, unread: 1 },
    });
    expect(items).toMatchObject({
      data: { covers: { after: '9f1c22ab00e1d2c3.2.0', to: '9f1c22ab00e1d2c3.5.0' } },
    });
  });

  it.each([
    ['nonsense', 'cursor-unreadable'],
    ['aaaa.0.0', 'epoch-foreign'],
    ['9f1c22ab00e1d2c3.9.0', 'above-head'],
  ])('from %s means starting over: %s', async (cursor, reason) => {
    const server = createFakeServer();
    server.publish('ann', { kind: 'a' });
    const ann = await connect(server, '', speaking);
    await ann.say('resume', { cursor });
    expect(ann.frames.at(-1)).toMatchObject({ type: 'reset', data: { reason, unread: 1, next: null } });
  });

  it('more than was asked for is a reset, exactly as much is not', async () => {
    const server = createFakeServer();
    server.publish('ann', { kind: 'a' });
    server.publish('ann', { kind: 'a' });
    const ann = await connect(server, '', speaking);
    await ann.say('resume', { cursor: '9f1c22ab00e1d2c3.0.0', max: 1 });
    expect(ann.frames.at(-1)).toMatchObject({ type: 'reset', data: { reason: 'too-much' } });
    await ann.say('resume', { cursor: '9f1c22ab00e1d2c3.0.0', max: 2 });
    expect(ann.frames.at(-1)?.type).toBe('catch-up');
  });
});

describe('a credential', () => {
  it('is looked for in subprotocol, address and cookie; without one a speaker is told why', async () => {
    const server = createFakeServer();
    await connect(server, '', ['belfry.v1', 'bearer.ann']);
    await connect(server, '?token=bob');
    const jwt = `x.${btoa(JSON.stringify({ sub: 'cem' }))}.x`;
    await connect(server, `?token=${jwt}`);
    server.cookie = 'dee';
    await connect(server, '');
    expect(server.connections.map((one) => one.user)).toEqual(['ann', 'bob', 'cem', 'dee']);
    server.cookie = null;
    const nobody = await connect(server, '', ['belfry.v1']);
    expect(nobody.frames).toMatchObject([{ type: 'error' }]);
    expect(nobody.end()).toEqual({ code: 4401, reason: 'token-invalid' });
    const naive = await connect(server, '');
    expect(naive.frames).toEqual([]);
    expect(naive.end()?.code).toBe(1006);
    expect(server.dials).toBe(6);
  });
});

describe('with the real client', () => {
  async function open(user = 'ann') {
    const clock = createFakeClock();
    const server = createFakeServer({ clock });
    const client = createClient({
      url: server.url,
      user,
      token: () => user,
      WebSocket: server.WebSocket,
      fetch: server.fetch,
      clock,
      random: () => 0.5,
      tabs: 'independent',
      attention: { sound: false, hidden: 'none' },
    });
    onTestFinished(() => client.dispose());
    client.connect();
    await clock.advance(100);
    return { clock, server, client };
  }
  const titles = (client: ReturnType<typeof createClient>): string[] => client.alerts.get().map((one) => one.title);

  it('alerts arrive, are counted, confirmed and read', async () => {
    const { clock, server, client } = await open();
    expect(client.connection.get().state).toBe('live');
    const id = server.publish('ann', { kind: 'deal-notification', data: { n: 1 }, title: 'A deal' });
    server.publish('bob', { kind: 'deal-notification', title: 'Not for ann' });
    await clock.advance(2_000);
    expect(titles(client)).toEqual(['A deal']);
    expect(client.unread.get()).toBe(1);
    expect(server.standing('ann', id)?.level).toBe('received');
    await client.markRead(id);
    await clock.advance(100);
    expect(server.standing('ann', id)).toMatchObject({ level: 'read', state: { read: true } });
    expect(client.unread.get()).toBe(0);
  });

  it('what was missed while the network was away is caught up', async () => {
    const { clock, server, client } = await open();
    server.publish('ann', { kind: 'a', title: 'before' });
    await clock.advance(100);
    server.unplug();
    await clock.advance(100);
    expect(client.connection.get().state).toBe('retrying');
    server.publish('ann', { kind: 'a', title: 'meanwhile' });
    await clock.advance(60_000);
    server.plugIn();
    await clock.advance(60_000);
    expect(client.connection.get().state).toBe('live');
    expect(titles(client)).toEqual(['meanwhile', 'before']);
  });

  it('a frame that got lost is noticed and healed', async () => {
    const { clock, server, client } = await open();
    server.lose();
    server.publish('ann', { kind: 'a', title: 'lost' });
    server.publish('ann', { kind: 'a', title: 'seen' });
    await clock.advance(1_000);
    expect(titles(client)).toEqual(['seen', 'lost']);
  });

  it('a dead link is left, though the socket says it is open', async () => {
    const { clock, server, client } = await open();
    server.stall();
    server.publish('ann', { kind: 'a', title: 'stuck' });
    await clock.advance(41_000);
    expect(client.connection.get().isConnected).toBe(false);
    server.flow();
    await clock.advance(60_000);
    expect(client.connection.get().state).toBe('live');
    expect(titles(client)).toEqual(['stuck']);
  });

  it('a server that goes says when to come back', async () => {
    const { clock, server, client } = await open();
    server.goAway(5_000);
    await clock.advance(1_000);
    expect(client.connection.get().isConnected).toBe(false);
    expect(server.dials).toBe(1);
    await clock.advance(5_000);
    expect(client.connection.get().state).toBe('live');
    expect(server.dials).toBe(2);
  });

  it('a refusal for good stops it', async () => {
    const { clock, server, client } = await open();
    server.refuse(4501);
    server.drop();
    await clock.advance(120_000);
    expect(client.connection.get().state).toBe('stopped');
    expect(client.connection.get().error?.code).toBe('user-blocked');
  });

  it('a restored server makes it start over', async () => {
    const { clock, server, client } = await open();
    server.publish('ann', { kind: 'a', title: 'one' });
    await clock.advance(100);
    server.renumber();
    server.drop();
    await clock.advance(60_000);
    expect(client.connection.get().state).toBe('live');
    expect(titles(client)).toEqual(['one']);
  });

  it('a request that fails is told to whoever asked', async () => {
    const { server, client } = await open();
    const id = server.publish('ann', { kind: 'a' });
    server.failRequests('rate-limited');
    await expect(client.markRead(id)).rejects.toMatchObject({ code: 'rate-limited', retryable: true });
    expect(server.standing('ann', id)?.state.read).toBe(false);
  });

  it('do-not-disturb and preferences are kept and told', async () => {
    const { clock, server, client } = await open();
    await client.setDoNotDisturb({ until: 'on' });
    await clock.advance(100);
    expect(client.doNotDisturb.get().active).toBe(true);
    server.publish('ann', { kind: 'a' });
    await clock.advance(100);
    expect(client.alerts.get()[0]?.quiet).toBe(true);
    await client.preferences.set({ categories: { deals: { email: false } } });
    expect(client.preferences.get()).toEqual({ default: {}, categories: { deals: { email: false } } });
  });

  it('server-sent events carry the same', async () => {
    const clock = createFakeClock();
    const server = createFakeServer({ clock });
    const client = createClient({
      url: server.url,
      user: 'ann',
      token: () => 'ann',
      transport: 'sse',
      fetch: server.fetch,
      clock,
      tabs: 'independent',
    });
    onTestFinished(() => client.dispose());
    client.connect();
    // The wire is loaded when it is first needed: that takes turns of the loop, and no time.
    for (let turns = 0; turns < 2_000 && client.connection.get().state !== 'live'; turns += 1) await clock.settle();
    server.publish('ann', { kind: 'a', title: 'by events' });
    for (let turns = 0; turns < 2_000 && client.alerts.get().length === 0; turns += 1) await clock.settle();
    expect(client.connection.get()).toMatchObject({ state: 'live', transport: 'sse' });
    expect(titles(client)).toEqual(['by events']);
  });
});

describe('a test publisher', () => {
  it('keeps what was published, once per key, and hands it to a fake server', async () => {
    const server = createFakeServer();
    const publisher = createTestPublisher(server);
    const ann = await connect(server, '?token=ann');
    await publisher.putGroup('family-7', ['ann', 'bob']);
    const first = await publisher.publishToGroup('family-7', { kind: 'a', data: { n: 1 }, idempotency_key: 'row-1' });
    const again = await publisher.publishToGroup('family-7', { kind: 'a', data: { n: 1 }, idempotency_key: 'row-1' });
    await publisher.broadcastToAll({ kind: 'b', data: {} });
    await ann.settle();
    expect(first).toMatchObject({ recipients: 2, replayed: false });
    expect(again).toEqual({ ...first, replayed: true });
    expect(publisher.published.map((one) => [one.to, one.alert.kind])).toEqual([
      [{ group: 'family-7' }, 'a'],
      [{ everyone: true }, 'b'],
    ]);
    expect(ann.frames.map((frame) => frame.type)).toEqual(['connection-established', 'a', 'b']);
    await publisher.recall(first.id);
    expect(server.unreadOf('ann')).toBe(1);
    expect(publisher.published).toHaveLength(1);
    publisher.failNext(new Error('no'));
    await expect(publisher.publishAlert('ann', { kind: 'a', data: {} })).rejects.toThrow('no');
    expect(await publisher.disconnectUser('ann')).toEqual({ closed: 1 });
    await ann.settle();
    expect(ann.end()).toEqual({ code: 4403, reason: 'token-revoked' });
  });

  it('works without a server', async () => {
    const publisher = createTestPublisher();
    const receipt = await publisher.publishAlert(['ann', 'bob'], { kind: 'a', data: {} });
    expect(receipt).toMatchObject({
      recipients: 2,
      notifications: [
        { user: 'ann', seq: 1 },
        { user: 'bob', seq: 1 },
      ],
    });
    expect(await publisher.snapshot('ann')).toEqual({ unread: 1 });
    const outcomes = [];
    for await (const one of publisher.publishBatch([{ to: 'ann', kind: 'a', data: {} }])) outcomes.push(one.ok);
    expect(outcomes).toEqual([true]);
  });
});
