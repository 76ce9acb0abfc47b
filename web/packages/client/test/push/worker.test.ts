import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { claim } from '../../src/attention/claims.js';
import { readOwner, writeOwner } from '../../src/push/owner.js';
import { installPush, type PushWorkerOptions, type PushWorkerScope, type WorkerWindow } from '../../src/worker.js';
import { FakeRegistration, fakeBrowser } from './browser.js';

const CHROMIUM = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0 Safari/537.36';
const SAFARI = 'Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15';
const RECEIPT = 'https://alerts.example/v1/receipts/r';

const calls: { url: string; method: string; body: unknown; credentials: string }[] = [];
let status = 204;

beforeEach(() => {
  fakeBrowser('granted');
  calls.length = 0;
  status = 204;
  vi.stubGlobal('fetch', async (url: string, { method, body, credentials }: RequestInit) => {
    if (status === 0) throw new TypeError('out of reach');
    calls.push({ url, method: method ?? '', body: JSON.parse(String(body)), credentials: credentials ?? '' });
    return new Response(null, { status });
  });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** A window of the origin. `user`: who is signed in to the client in it; missing: there is no client. */
class Window implements WorkerWindow {
  focused = false;
  opened: unknown[] = [];

  constructor(
    readonly visibilityState: DocumentVisibilityState,
    readonly user?: string,
  ) {}

  async focus(): Promise<void> {
    this.focused = true;
  }

  postMessage(message: { belfry: string; user?: string }, [port]: MessagePort[] = []): void {
    if (message.belfry === 'ask' && this.user && (message.user ?? this.user) === this.user) port?.postMessage(true);
    if (message.belfry === 'open' && this.user) this.opened.push(message);
  }
}

/** A worker after its start, for the browser of ann. */
async function worker(
  options: PushWorkerOptions & { userAgent?: string; windows?: Window[]; owner?: string | null } = {},
) {
  const { userAgent = CHROMIUM, windows = [], owner = 'ann' } = options;
  const registration = new FakeRegistration();
  await registration.pushManager.subscribe({ applicationServerKey: 'KEY-1' });
  const endpoint = registration.current?.endpoint ?? '';
  const told = { device: 'web-1', base: 'https://shop.example', key: 'KEY-1', keyId: 'id-1', endpoint, toldAt: 5 };
  if (owner) await writeOwner({ user: owner, ...told });
  const listeners = new Map<string, (event: object) => void>();
  const opened: string[] = [];
  const badges: number[] = [];
  const scope: PushWorkerScope = {
    registration: registration as unknown as ServiceWorkerRegistration,
    navigator: { userAgent, setAppBadge: async (count) => void badges.push(count) },
    clients: {
      matchAll: async () => windows,
      openWindow: async (url) => void opened.push(url),
    },
    addEventListener: (type, listener) => void listeners.set(type, listener as (event: object) => void),
  };
  installPush(scope, options);
  /** Dispatches an event; `false`: nobody kept the worker alive for it. */
  const dispatch = async (type: string, event: object): Promise<boolean> => {
    const work: Promise<unknown>[] = [];
    listeners.get(type)?.({ ...event, waitUntil: (promise: Promise<unknown>) => work.push(promise) });
    await Promise.all(work);
    return work.length > 0;
  };
  const push = (payload: unknown): Promise<boolean> => dispatch('push', { data: { json: () => payload } });
  return { registration, opened, badges, dispatch, push };
}

const payload = (id: string, user = 'ann') => ({
  web_push: 8030,
  notification: {
    title: 'A deal',
    body: 'Oat milk',
    navigate: 'https://shop.example/deals/7',
    lang: 'en-GB',
    dir: 'ltr',
    tag: 'of-the-server',
    silent: false,
    requireInteraction: true,
    timestamp: 7,
    actions: [
      { action: 'buy', title: 'Buy', navigate: 'https://shop.example/buy' },
      { action: 'later', title: 'Later' },
    ],
    data: { price: 149 },
  },
  app_badge: 3,
  belfry: { id, user, receipt: RECEIPT },
});

describe('a push', () => {
  test('is shown under the tag of its alert, and confirmed', async () => {
    const { push, registration, badges } = await worker();
    await push(payload('a1'));
    expect(registration.shown.map(({ title, options }) => ({ title, ...options }))).toEqual([
      {
        title: 'A deal',
        body: 'Oat milk',
        lang: 'en-GB',
        dir: 'ltr',
        tag: 'a1',
        silent: false,
        requireInteraction: true,
        timestamp: 7,
        actions: [
          { action: 'buy', title: 'Buy' },
          { action: 'later', title: 'Later' },
        ],
        data: {
          belfry: 'a1',
          user: 'ann',
          url: 'https://shop.example/deals/7',
          links: { buy: 'https://shop.example/buy' },
          receipt: RECEIPT,
        },
      },
    ]);
    expect(badges).toEqual([3]);
    expect(calls).toEqual([{ url: RECEIPT, method: 'POST', body: { level: 'displayed' }, credentials: 'omit' }]);
  });

  test('claims its alert, so that no tab toasts it', async () => {
    const { push } = await worker();
    await push(payload('a1'));
    expect(await claim('a1', Date.now())).toBe(false);
  });

  test('is not shown where a visible tab has shown the alert: it is received', async () => {
    await claim('a1', Date.now());
    const { push, registration } = await worker({ windows: [new Window('hidden'), new Window('visible', 'ann')] });
    await push(payload('a1'));
    expect([registration.shown, calls.map(({ body }) => body)]).toEqual([[], [{ level: 'received' }]]);
  });

  test('is shown where the tab that has shown the alert is out of sight or gone', async () => {
    await claim('a1', Date.now());
    const { push, registration } = await worker({ windows: [new Window('hidden', 'ann')] });
    await push(payload('a1'));
    expect(registration.visible).toEqual(['A deal']);
  });

  test('is shown for a moment under WebKit, where a tab has shown the alert', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout'] });
    await claim('a1', Date.now());
    const { push, registration } = await worker({ userAgent: SAFARI, windows: [new Window('visible', 'ann')] });
    const done = push(payload('a1'));
    await vi.waitUntil(() => vi.getTimerCount() > 0);
    expect(registration.visible).toEqual(['A deal']);
    await vi.runAllTimersAsync();
    await done;
    expect(registration.visible).toEqual([]);
  });

  test.each([
    ['somebody else', 'bob'],
    ['nobody', null],
  ])('for %s says nothing personal and ends', async (_, owner) => {
    const { push, registration } = await worker({ owner });
    await push(payload('a1', 'ann'));
    expect(registration.shown.map(({ title, options }) => [title, options])).toEqual([
      ['You have a new notification', { tag: 'belfry' }],
    ]);
    expect([registration.current, await readOwner(), calls]).toEqual([null, undefined, []]);
  });

  test('uses the claim and the words of an application', async () => {
    const asked: string[] = [];
    const mine = async (id: string): Promise<boolean> => asked.push(id) > 0;
    const own = await worker({ claim: mine, hiddenTitle: 'Neuigkeiten' });
    await own.push(payload('a1'));
    await own.push(payload('a2', 'bob'));
    expect([asked, own.registration.visible]).toEqual([['a1'], ['A deal', 'Neuigkeiten']]);
  });

  test('that is none of ours is left alone', async () => {
    const { push, dispatch, registration } = await worker();
    for (const other of [{ title: 'Hi' }, null, 'text', { belfry: { id: 'a1' } }])
      expect(await push(other)).toBe(false);
    expect(await dispatch('push', { data: null })).toBe(false);
    const broken = { json: () => JSON.parse('{') as unknown };
    expect(await dispatch('push', { data: broken })).toBe(false);
    expect(registration.shown).toEqual([]);
  });

  test('is shown although its receipt does not get through', async () => {
    status = 0;
    const { push, registration } = await worker();
    await push(payload('a1'));
    expect(registration.visible).toEqual(['A deal']);
  });
});

describe('a click', () => {
  /** Shows a push and clicks it. */
  async function click(windows: Window[], action = '') {
    const set = await worker({ windows, claim: async () => true });
    await set.push(payload('a1'));
    const [notification] = set.registration.shown;
    await set.dispatch('notificationclick', { notification, action });
    return { ...set, notification };
  }

  test('leads to the tab of that user, the one in sight first', async () => {
    const [plain, hidden, bob, visible] = [
      new Window('visible'),
      new Window('hidden', 'ann'),
      new Window('visible', 'bob'),
      new Window('visible', 'ann'),
    ];
    const { opened, notification } = await click([plain, hidden, bob, visible]);
    expect(visible.opened).toEqual([{ belfry: 'open', id: 'a1', url: 'https://shop.example/deals/7' }]);
    expect([plain, hidden, bob, visible].map(({ focused }) => focused)).toEqual([false, false, false, true]);
    expect([opened, hidden.opened, bob.opened, notification?.closed]).toEqual([[], [], [], true]);
    expect(calls.at(-1)?.body).toEqual({ level: 'acted' });
  });

  test('opens a tab where there is none, or none that would follow', async () => {
    expect((await click([])).opened).toEqual(['https://shop.example/deals/7']);
    expect((await click([new Window('visible'), new Window('visible', 'bob')])).opened).toEqual([
      'https://shop.example/deals/7',
    ]);
  });

  test('on a button follows the button’s link, or the alert’s where it has none', async () => {
    expect((await click([], 'buy')).opened).toEqual(['https://shop.example/buy']);
    expect((await click([], 'later')).opened).toEqual(['https://shop.example/deals/7']);
  });

  test('on an alert without a link opens the application', async () => {
    const { push, dispatch, registration, opened } = await worker();
    const { navigate: _, ...notification } = payload('a1').notification;
    await push({ ...payload('a1'), notification });
    await dispatch('notificationclick', { notification: registration.shown[0], action: '' });
    expect(opened).toEqual(['https://shop.example/']);
  });

  test('on somebody else’s notification is left alone', async () => {
    const { dispatch } = await worker();
    const notification = { data: { url: '/x' }, close: vi.fn() };
    expect(await dispatch('notificationclick', { notification, action: '' })).toBe(false);
    expect(notification.close).not.toHaveBeenCalled();
  });
});

describe('a subscription that the browser replaced', () => {
  test('is told to the server, where a cookie lets it', async () => {
    const { dispatch, registration } = await worker();
    await registration.current?.unsubscribe();
    await dispatch('pushsubscriptionchange', {});
    expect(registration.current?.key).toBe('KEY-1');
    const body = { provider: 'webpush', ...registration.current?.toJSON(), vapid_key_id: 'id-1' };
    expect(calls).toEqual([
      { url: 'https://shop.example/v1/devices/web-1', method: 'PUT', body, credentials: 'include' },
    ]);
    expect((await readOwner())?.endpoint).toBe(registration.current?.endpoint);
    expect((await readOwner())?.toldAt).toBeGreaterThan(5);
  });

  test('waits for the next page where the server refuses or is away', async () => {
    const { dispatch } = await worker();
    for (status of [401, 0]) {
      await dispatch('pushsubscriptionchange', { newSubscription: { endpoint: 'e', toJSON: () => ({ keys: {} }) } });
      expect(await readOwner()).toMatchObject({ endpoint: 'e', toldAt: 0, user: 'ann' });
    }
  });

  test('of nobody is nobody’s business', async () => {
    const { dispatch, registration } = await worker({ owner: null });
    await dispatch('pushsubscriptionchange', {});
    expect([calls, registration.made.length]).toEqual([[], 1]);
  });
});
