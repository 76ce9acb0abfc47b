import { afterEach, describe, expect, it, vi } from 'vitest';
import type { AnyAlert, List } from '../src/types.js';
import { Online, problem } from './support/online.js';

afterEach(() => vi.unstubAllGlobals());

const ids = (list: { get(): readonly AnyAlert[] }): number[] => list.get().map(({ id }) => Number(id.slice(3)));

/** The numbers from `from` down to `to`. */
const down = (from: number, to: number): number[] => Array.from({ length: from - to + 1 }, (_, n) => from - n);

async function ready(net: Online, list: List): Promise<void> {
  for (let turn = 0; list.status.get() === 'loading'; turn++) {
    if (turn > 50) throw new Error('never ready');
    await net.clock.settle();
  }
}

describe('the default list', () => {
  it('has the newest page, and more when it is asked for', async () => {
    const net = new Online();
    for (let n = 0; n < 60; n++) net.model.publish();
    const client = await net.live();
    expect(ids(client.alerts)).toEqual(down(60, 36));
    expect(await client.loadMore(10)).toEqual({ done: false });
    expect(ids(client.alerts)).toEqual(down(60, 26));
    expect(await client.loadMore(100)).toEqual({ done: true });
    expect(ids(client.alerts)).toEqual(down(60, 1));
    expect(await client.loadMore()).toEqual({ done: true });
    expect(client.unread.get()).toBe(60);
  });

  it('is a new array only when something in it changed', async () => {
    const net = new Online();
    const client = await net.live();
    const [entry] = [await net.publish(), await net.publish()];
    const before = client.alerts.get();
    net.say(net.model.ping());
    await net.clock.settle();
    expect(client.alerts.get()).toBe(before);
    net.model.change([entry], 'read');
    await net.deliver();
    const after = client.alerts.get();
    expect(after).not.toBe(before);
    expect(after[0]).toBe(before[0]);
    expect(after[1]).not.toBe(before[1]);
  });

  it('keeps so many and no more, however long the page is open', async () => {
    const net = new Online();
    const client = await net.live({ keep: 20 });
    for (let n = 0; n < 100; n++) await net.publish();
    await net.clock.advance(500);
    expect(client.alerts.get()).toHaveLength(20);
    expect(await client.loadMore(10)).toEqual({ done: false });
    expect(ids(client.alerts)).toEqual(down(100, 71));
  });

  it('loses what was recalled or replaced', async () => {
    const net = new Online();
    const client = await net.live();
    const first = await net.publish();
    const second = await net.publish();
    net.model.recall(first);
    await net.publish({ replaces: second });
    expect(ids(client.alerts)).toEqual([3]);
  });

  it('stays readable without a connection', async () => {
    const net = new Online();
    const client = await net.live();
    await net.publish();
    net.out = true;
    await net.drop();
    expect(ids(client.alerts)).toEqual([1]);
    await expect(client.markRead('id-000001')).rejects.toMatchObject({ code: 'offline' });
    expect(client.alerts.get()[0]?.state.read).toBe(false);
  });
});

describe('a filtered list', () => {
  it('pages through what fits, and live alerts that fit enter at its top', async () => {
    const net = new Online();
    for (let n = 0; n < 40; n++) net.model.publish({ kind: n % 4 === 0 ? 'rare' : 'common' });
    const client = await net.live();
    const list = client.list({ kinds: ['rare'], limit: 4 });
    await ready(net, list);
    expect(ids(list.items)).toEqual([37, 33, 29, 25]);
    expect(list.hasMore.get()).toBe(true);
    await net.publish({ kind: 'common' });
    await net.publish({ kind: 'rare' });
    expect(ids(list.items)).toEqual([42, 37, 33, 29, 25]);
    await list.loadMore();
    expect(ids(list.items)).toEqual([42, 37, 33, 29, 25, 21, 17, 13, 9]);
    expect(await list.loadMore()).toEqual({ done: true });
    expect(list.hasMore.get()).toBe(false);
    expect(ids(client.alerts)).toHaveLength(27);
  });

  it('of several kinds looks on until it has enough', async () => {
    const net = new Online();
    for (let n = 0; n < 60; n++) net.model.publish({ kind: ['a', 'b', 'x', 'x', 'x', 'x'][n % 6] ?? 'x' });
    const client = await net.live();
    const list = client.list({ kinds: ['a', 'b'], limit: 6 });
    await ready(net, list);
    expect(list.items.get().length).toBeGreaterThanOrEqual(6);
    expect(new Set(list.items.get().map(({ kind }) => kind))).toEqual(new Set(['a', 'b']));
  });

  it('of unread ones keeps what was read until it is refreshed', async () => {
    const net = new Online();
    for (let n = 0; n < 3; n++) net.model.publish();
    const client = await net.live();
    const list = client.list({ unread: true });
    await ready(net, list);
    await client.markRead('id-000002');
    expect(ids(list.items)).toEqual([3, 2, 1]);
    expect(list.items.get()[1]?.state.read).toBe(true);
    await list.refresh();
    expect(ids(list.items)).toEqual([3, 1]);
  });

  it('of archived ones and the others exchange rows at once', async () => {
    const net = new Online();
    for (let n = 0; n < 3; n++) net.model.publish();
    const client = await net.live();
    await client.archive(['id-000002', 'id-000001']);
    expect(ids(client.alerts)).toEqual([3]);
    const archived = client.list({ archived: true });
    await ready(net, archived);
    expect(ids(archived.items)).toEqual([2, 1]);
    await client.unarchive('id-000002');
    expect(ids(archived.items)).toEqual([1]);
    expect(ids(client.alerts)).toEqual([3, 2]);
  });

  it('tells why it is not there, and comes when it is asked again', async () => {
    const net = new Online();
    net.model.publish();
    const client = await net.live();
    net.answer = ({ path }) => (path === 'v1/inbox' ? problem(503, 'overloaded', 'full') : undefined);
    const list = client.list({ unread: true });
    await ready(net, list);
    expect(list.status.get()).toBe('error');
    expect(list.error.get()).toMatchObject({ code: 'overloaded', retryable: true });
    net.answer = () => undefined;
    await list.loadMore();
    expect([list.status.get(), list.error.get(), ids(list.items)]).toEqual(['ready', null, [1]]);
  });

  it('asks for a page once, whoever wants it', async () => {
    const net = new Online();
    for (let n = 0; n < 60; n++) net.model.publish();
    const client = await net.live();
    const list = client.list({ unread: true, limit: 10 });
    await ready(net, list);
    net.requests.length = 0;
    await Promise.all([list.loadMore(), list.loadMore(), list.loadMore()]);
    expect(net.requests).toHaveLength(1);
    expect(ids(list.items)).toEqual(down(60, 41));
  });

  it('does not take a page that changed on its way', async () => {
    const net = new Online();
    for (let n = 0; n < 3; n++) net.model.publish();
    const client = await net.live();
    let held: (() => void) | null = null;
    net.answer = ({ path, query }) => {
      if (path !== 'v1/inbox' || held) return undefined;
      const page = Response.json(net.model.inbox(query));
      return new Promise((resolve) => {
        held = () => resolve(page);
      });
    };
    const list = client.list({ category: 'deal' });
    await net.clock.settle();
    net.model.recall(net.model.entries[1] as (typeof net.model.entries)[number]);
    await net.deliver();
    (held as (() => void) | null)?.();
    await ready(net, list);
    expect(ids(list.items)).toEqual([3, 1]);
    // Once too early, and once more: no frame that comes meanwhile asks again.
    expect(net.asked('GET', 'v1/inbox').filter(({ query }) => query.has('category'))).toHaveLength(2);
  });

  it('lets go when it is disposed', async () => {
    const net = new Online();
    const client = await net.live();
    const list = client.list({ unread: true });
    await ready(net, list);
    list.dispose();
    await net.publish();
    expect(ids(list.items)).toEqual([]);
  });

  it('waits for the connection where it is made before it', async () => {
    const net = new Online();
    net.model.publish();
    const client = net.client();
    const list = client.list({ unread: true });
    await net.clock.settle();
    expect([list.status.get(), net.requests.length]).toEqual(['loading', 0]);
    client.connect();
    await net.until(client, 'live');
    await ready(net, list);
    expect(ids(list.items)).toEqual([1]);
  });
});

describe('a change', () => {
  it('is seen at once; the number comes from the server', async () => {
    const net = new Online();
    const client = await net.live();
    await net.publish();
    let answer: (() => void) | undefined;
    net.answer = ({ path }) =>
      path === 'v1/inbox/state'
        ? new Promise((resolve) => {
            answer = () => {
              const seq = net.model.change(net.model.entries, 'read');
              resolve(Response.json({ unread: 0, seq }));
            };
          })
        : undefined;
    const marked = client.markRead('id-000001');
    await net.clock.settle();
    expect([client.alerts.get()[0]?.state.read, client.unread.get()]).toEqual([true, 1]);
    answer?.();
    await marked;
    await net.deliver();
    expect([client.alerts.get()[0]?.state.read, client.unread.get()]).toEqual([true, 0]);
  });

  it('that failed is taken back, but for what changed meanwhile', async () => {
    const net = new Online();
    const client = await net.live();
    const one = await net.publish();
    await net.publish();
    let fail: (() => void) | undefined;
    net.answer = ({ path }) =>
      path === 'v1/inbox/state'
        ? new Promise((resolve) => {
            fail = () => resolve(problem(503, 'store-unavailable'));
          })
        : undefined;
    const marked = client.markRead(client.alerts.get());
    const told = expect(marked).rejects.toMatchObject({ code: 'store-unavailable', retryable: true });
    await net.clock.settle();
    net.model.change([one], 'acted');
    await net.deliver();
    fail?.();
    await told;
    expect(client.alerts.get().map(({ state }) => [state.read, state.acted])).toEqual([
      [false, false],
      [true, true],
    ]);
    expect(net.errors.map(({ code }) => code)).toEqual(['store-unavailable']);
  });

  it('up to an alert leaves what is newer, in both streams', async () => {
    const net = new Online();
    const client = await net.live();
    for (const stream of ['user', 'all', 'user', 'all', 'user'] as const) await net.publish({ stream });
    await client.markRead({ upTo: client.alerts.get()[2] as AnyAlert });
    expect(net.asked('POST', 'v1/inbox/state').map(({ body }) => body)).toEqual([
      { up_to: '9f1c22ab00e1d2c3.2.1', state: 'read' },
    ]);
    expect(client.alerts.get().map(({ state }) => state.read)).toEqual([false, false, true, true, true]);
    await client.markRead({ upTo: client.alerts.get()[0] as AnyAlert });
    expect(net.asked('POST', 'v1/inbox/state').at(-1)?.body).toEqual({
      up_to: '9f1c22ab00e1d2c3.3.2',
      state: 'read',
    });
    expect(client.unread.get()).toBe(0);
  });

  it('to seen is gathered, and nothing is told twice', async () => {
    const net = new Online();
    const client = await net.live();
    for (let n = 0; n < 3; n++) await net.publish();
    const all = client.alerts.get();
    const marks = all.map((alert) => client.markSeen(alert));
    marks.push(client.markSeen(all));
    expect(client.alerts.get().every(({ state }) => state.seen && !state.read)).toBe(true);
    expect(net.asked('POST', 'v1/inbox/state')).toHaveLength(0);
    await net.clock.advance(500);
    await Promise.all(marks);
    expect(net.asked('POST', 'v1/inbox/state').map(({ body }) => body)).toEqual([
      { ids: all.map(({ id }) => id), state: 'seen' },
    ]);
    await client.markSeen(all);
    expect(net.asked('POST', 'v1/inbox/state')).toHaveLength(1);
    expect(client.unread.get()).toBe(3);
  });

  it('that nobody waits for and that fails is no unhandled rejection', async () => {
    const unhandled = vi.fn();
    process.on('unhandledRejection', unhandled);
    const net = new Online();
    const client = await net.live();
    await net.publish();
    net.out = true;
    void client.markRead('id-000001');
    void client.archive('id-000001');
    void client.loadMore(50);
    void client.list({ unread: true }).refresh();
    void client.preferences.load();
    void client.preferences.set({ default: { push: false } });
    void client.push.enable();
    void client.setDoNotDisturb({ until: 'on' });
    void client.markActed('id-000001', 'none');
    await net.clock.settle();
    process.off('unhandledRejection', unhandled);
    expect(unhandled).not.toHaveBeenCalled();
    expect(net.errors.map(({ code }) => code)).toContain('offline');
  });
});

describe('links', () => {
  const page = () => {
    const assign = vi.fn();
    const opened = vi.fn();
    vi.stubGlobal('location', { href: 'https://shop.example/inbox', origin: 'https://shop.example', assign });
    vi.stubGlobal('window', { open: opened, addEventListener() {}, removeEventListener() {} });
    return { assign, opened };
  };

  it.each([
    ['/deals?id=1#top', '/deals?id=1#top', null],
    ['https://shop.example/deals', '/deals', null],
    ['https://other.example/x', null, 'https://other.example/x'],
    ['javascript:alert(1)', null, null],
    ['data:text/html,x', null, null],
  ])('%s', async (link, followed, elsewhere) => {
    const { opened } = page();
    const navigate = vi.fn();
    const net = new Online();
    const client = await net.live({ navigate });
    await net.publish({ item: { link } });
    client.open(client.alerts.get()[0] as AnyAlert);
    await net.clock.settle();
    expect(navigate.mock.calls).toEqual(followed === null ? [] : [[followed]]);
    const tabs = opened.mock.calls.map(([url, ...how]) => [String(url), ...how]);
    expect(tabs).toEqual(elsewhere === null ? [] : [[elsewhere, '_blank', 'noopener']]);
    expect(client.alerts.get()[0]?.state.read).toBe(true);
  });

  it('are loaded where no router takes them, and an action’s link is its own', async () => {
    const { assign } = page();
    const net = new Online();
    const client = await net.live();
    const actions = [
      { id: 'review', label: 'Review', link: '/review' },
      { id: 'allow', label: 'Allow' },
    ];
    await net.publish({ item: { link: '/deals', actions } });
    await client.markActed('id-000001', 'review');
    await client.markActed('id-000001', 'allow');
    client.open(client.alerts.get()[0] as AnyAlert);
    expect(assign.mock.calls.map(([url]) => String(url))).toEqual([
      'https://shop.example/review',
      'https://shop.example/deals',
    ]);
    expect(client.alerts.get()[0]?.state).toMatchObject({ acted: true, read: true });
  });
});

describe('settings', () => {
  it('keep what another device set', async () => {
    const net = new Online();
    let kept = {
      until: null as string | null,
      schedule: [{ days: ['mon'], from: '22:00', to: '07:00' }],
      time_zone: 'UTC',
    };
    net.answer = ({ method, path, body }) => {
      if (path !== 'v1/do-not-disturb') return undefined;
      if (method === 'PUT') kept = body as typeof kept;
      return Response.json(kept);
    };
    const client = await net.live();
    await client.setDoNotDisturb({ until: new Date('2026-01-01T08:00:00Z') });
    expect(kept).toMatchObject({ until: '2026-01-01T08:00:00.000Z', time_zone: 'UTC' });
    expect(kept.schedule).toHaveLength(1);
    await client.setDoNotDisturb({ schedule: [] });
    expect(kept).toEqual({ until: '2026-01-01T08:00:00.000Z', schedule: [], time_zone: 'UTC' });
    await client.setDoNotDisturb({ until: 'off' });
    expect(kept.until).toBeNull();
  });

  it('come as a frame from any device', async () => {
    const net = new Online();
    const client = await net.live();
    const state = { active: true, until: '2026-01-01T08:00:00Z', schedule: [], time_zone: null };
    const data = { do_not_disturb: state, preferences_rev: 2 };
    net.say({ type: 'settings-changed', data, timestamp: '2026-01-01T00:00:00Z' });
    expect(client.doNotDisturb.get()).toEqual({ active: true, until: state.until, schedule: [], timeZone: null });
  });

  it('preferences are changed in depth, taken back where that failed, and loaded anew when they changed', async () => {
    const net = new Online();
    let kept: object = { default: { push: true }, categories: { deals: { email: false } } };
    let broken = false;
    net.answer = ({ method, path, body }) => {
      if (path !== 'v1/preferences') return undefined;
      if (method === 'PUT' && broken) return problem(503, 'overloaded');
      if (method === 'PUT') kept = body as object;
      return Response.json(kept);
    };
    const client = await net.live();
    expect(client.preferences.get()).toBeNull();
    await client.preferences.set({ categories: { deals: { push: false } } });
    expect(kept).toEqual({ default: { push: true }, categories: { deals: { email: false, push: false } } });
    broken = true;
    const before = client.preferences.get();
    await expect(client.preferences.set({ default: { email: false } })).rejects.toMatchObject({ code: 'overloaded' });
    expect(client.preferences.get()).toBe(before);
    kept = { default: {}, categories: {} };
    const data = { do_not_disturb: net.model.doNotDisturb, preferences_rev: 3 };
    net.say({ type: 'settings-changed', data, timestamp: '2026-01-01T00:00:00Z' });
    await net.clock.settle();
    expect(client.preferences.get()).toEqual(kept);
  });
});
