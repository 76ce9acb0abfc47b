import { afterEach, describe, expect, test, vi } from 'vitest';
import { readOwner } from '../../src/push/owner.js';
import { createPush, type PushHost } from '../../src/push.js';
import { fakeBrowser } from './browser.js';

afterEach(() => vi.unstubAllGlobals());

/** A client of one page, and the calls that it made. */
function page(user: string | null, server: { key: string; out?: boolean } = { key: 'KEY-1' }) {
  const calls: { method: string; path: string; body?: unknown }[] = [];
  const host = {
    who: user,
    time: 1_000_000,
    opened: [] as unknown[][],
    reported: [] as unknown[],
    user: () => host.who,
    base: () => 'https://shop.example',
    now: () => host.time,
    request: async (method: string, path: string, body?: unknown) => {
      if (server.out) throw new Error('out of reach');
      calls.push({ method, path, ...(body === undefined ? {} : { body }) });
      return path === '/v1/web-push/key' ? { key: server.key, id: `id-of-${server.key}` } : undefined;
    },
    report: (error: unknown) => void host.reported.push(error),
    open: (...what: unknown[]) => void host.opened.push(what),
  };
  return { host, calls, server, push: createPush(host satisfies PushHost) };
}

const puts = (calls: { method: string }[]): unknown[] => calls.filter(({ method }) => method === 'PUT');

describe('enable', () => {
  test('asks, subscribes with the server’s key and tells the server', async () => {
    const { registration, container } = fakeBrowser();
    const { push, calls } = page('ann');
    expect(await push.enable()).toBe('on');
    expect(push.state.get()).toBe('on');
    expect(container.register).toHaveBeenCalledWith('https://shop.example/sdk/sw.js', {
      scope: 'https://shop.example/sdk/',
    });
    expect(registration.current?.key).toBe('KEY-1');
    const device = (await readOwner())?.device;
    expect(puts(calls)).toEqual([
      {
        method: 'PUT',
        path: `/v1/devices/${device}`,
        body: {
          provider: 'webpush',
          ...registration.current?.toJSON(),
          vapid_key_id: 'id-of-KEY-1',
          locale: 'en-GB',
          time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
        },
      },
    ]);
  });

  test('waits until a new worker is active', async () => {
    const { registration } = fakeBrowser();
    registration.active = null;
    registration.installing = { state: 'installing', onstatechange: null };
    const { installing } = registration;
    const { push } = page('ann');
    const enabled = push.enable();
    await vi.waitUntil(() => installing.onstatechange);
    registration.active = {};
    installing.state = 'activated';
    installing.onstatechange?.();
    expect(await enabled).toBe('on');
  });

  test('a refusal is told, and nothing is subscribed', async () => {
    const world = fakeBrowser();
    world.answer = 'denied';
    const { push, calls } = page('ann');
    expect(await push.enable()).toBe('denied');
    expect([world.registration.made, calls]).toEqual([[], []]);
  });

  test('where the server does not take it the error has a code, and the state is no lie', async () => {
    fakeBrowser();
    const { push } = page('ann', { key: 'KEY-1', out: true });
    await expect(push.enable()).rejects.toMatchObject({ name: 'BelfryError', code: 'push-failed' });
    expect(push.state.get()).toBe('off');
  });

  test('nobody who is signed out is subscribed', async () => {
    const { registration } = fakeBrowser();
    expect(await page(null).push.enable()).toBe('off');
    expect(registration.made).toEqual([]);
  });

  test('somebody else takes the browser over: what was on its way to the first ends', async () => {
    const { registration } = fakeBrowser();
    await page('ann').push.enable();
    const { push, calls } = page('bob');
    expect(await push.enable()).toBe('on');
    expect(registration.made.map(({ ended }) => ended)).toEqual([true, false]);
    expect((await readOwner())?.user).toBe('bob');
    expect(calls).toHaveLength(2);
  });
});

describe('at each start', () => {
  test('the one who enabled it is registered anew, though not more than once an hour', async () => {
    const { registration } = fakeBrowser();
    await page('ann').push.enable();
    const soon = page('ann');
    await soon.push.start();
    expect([soon.push.state.get(), soon.calls]).toEqual(['on', []]);
    const later = page('ann');
    later.host.time += 3_600_000;
    await later.push.start();
    expect(puts(later.calls)).toHaveLength(1);
    expect(registration.made).toHaveLength(1);
  });

  test('a registration that failed is made up for', async () => {
    fakeBrowser();
    const first = page('ann');
    await first.push.enable();
    first.host.time += 3_600_000;
    first.server.out = true;
    await first.push.start();
    expect([first.push.state.get(), first.host.reported.length]).toEqual(['on', 1]);
    first.server.out = false;
    await first.push.start();
    expect(puts(first.calls)).toHaveLength(2);
  });

  test('another user sees that it is not theirs, and changes nothing', async () => {
    const { registration } = fakeBrowser();
    await page('ann').push.enable();
    const { push, calls } = page('bob');
    await push.start();
    expect([push.state.get(), calls, registration.current?.ended]).toEqual(['other-user', [], false]);
  });

  test('a subscription of an old key is replaced under the same device', async () => {
    const { registration } = fakeBrowser();
    await page('ann').push.enable();
    const device = (await readOwner())?.device;
    const later = page('ann', { key: 'KEY-2' });
    later.host.time += 3_600_000;
    await later.push.start();
    expect(registration.made.map(({ key, ended }) => [key, ended])).toEqual([
      ['KEY-1', true],
      ['KEY-2', false],
    ]);
    expect(later.calls.map(({ path }) => path)).toEqual(['/v1/web-push/key', `/v1/devices/${device}`]);
  });

  test('a subscription that the browser lost is made again', async () => {
    const { registration } = fakeBrowser();
    await page('ann').push.enable();
    await registration.current?.unsubscribe();
    const { push, calls } = page('ann');
    await push.start();
    expect([push.state.get(), puts(calls).length, registration.made.length]).toEqual(['on', 1, 2]);
  });

  test('whoever never asked for it makes no call and registers no worker', async () => {
    const { container } = fakeBrowser('granted');
    const { push, calls } = page('ann');
    await push.start();
    expect([push.state.get(), calls, container.register.mock.calls]).toEqual(['off', [], []]);
  });

  test('permission that was taken back and asked for anew needs a click', async () => {
    fakeBrowser();
    await page('ann').push.enable();
    Object.assign(Notification, { permission: 'default' });
    const { push, calls } = page('ann');
    await push.start();
    expect([push.state.get(), calls]).toEqual(['off', []]);
  });
});

describe('the end', () => {
  test('signing out unsubscribes, also where the server is out of reach', async () => {
    const { registration } = fakeBrowser();
    const { push, server } = page('ann');
    await push.enable();
    server.out = true;
    await push.signOut('ann');
    expect([registration.current, await readOwner()]).toEqual([null, undefined]);
  });

  test('signing out leaves the subscription of somebody else', async () => {
    const { registration } = fakeBrowser();
    await page('ann').push.enable();
    await page('bob').push.signOut('bob');
    expect(registration.current?.ended).toBe(false);
  });

  test('disabling unsubscribes and tells the server', async () => {
    const { registration } = fakeBrowser();
    const { push, calls } = page('ann');
    await push.enable();
    const device = (await readOwner())?.device;
    await push.disable();
    expect([push.state.get(), registration.current]).toEqual(['off', null]);
    expect(calls.at(-1)).toEqual({ method: 'DELETE', path: `/v1/devices/${device}` });
  });
});

describe('browsers that cannot', () => {
  test('an iPhone says that the page belongs on the home screen', async () => {
    vi.stubGlobal('navigator', { standalone: false });
    const { push } = page('ann');
    await push.start();
    expect(push.state.get()).toBe('needs-install');
    expect(await push.enable()).toBe('needs-install');
  });

  test('others say that they do not support it, and every call is harmless', async () => {
    vi.stubGlobal('navigator', {});
    const { push, host } = page('ann');
    await push.start();
    await push.disable();
    await push.signOut('ann');
    expect([push.state.get(), host.reported]).toEqual(['unsupported', []]);
  });

  test('a frame whose storage throws does not support it', async () => {
    fakeBrowser();
    vi.stubGlobal('navigator', {
      get serviceWorker() {
        throw new DOMException('no', 'SecurityError');
      },
    });
    expect(await page('ann').push.enable()).toBe('unsupported');
  });
});

test('a click in the tray is followed by the tab of that user', async () => {
  const { container } = fakeBrowser();
  const { host, push } = page('ann');
  const hear = (data: unknown, ports: unknown[] = []): void =>
    void container.dispatchEvent(Object.assign(new Event('message'), { data, ports }));
  const port = { postMessage: vi.fn() };
  hear({ belfry: 'ask', user: 'bob' }, [port]);
  expect(port.postMessage).not.toHaveBeenCalled();
  hear({ belfry: 'ask', user: 'ann' }, [port]);
  expect(port.postMessage).toHaveBeenCalledWith(true);
  hear({ belfry: 'open', id: '7', url: '/deals' });
  hear('of somebody else');
  push.dispose();
  hear({ belfry: 'open', id: '8', url: '/deals' });
  expect(host.opened).toEqual([['7', '/deals']]);
});
