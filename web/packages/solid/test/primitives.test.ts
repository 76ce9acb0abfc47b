// @vitest-environment happy-dom
import {
  BelfryProvider,
  useBelfry,
  useConnection,
  useDoNotDisturb,
  useEventBus,
  usePreferences,
  usePush,
  useRealtimeAlerts,
  useSound,
  useUnread,
  useWebSocket,
} from '@belfry/solid';
import { createTestClient, testAlert } from '@belfry/testing';
import { createComponent, createEffect, createRoot, createSignal, sharedConfig, untrack } from 'solid-js';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { mount } from './page.js';

const deal = { deals: [], user_id: 'ann', message: 'One deal' };

afterEach(() => {
  document.body.replaceChildren();
});

describe('the connection', () => {
  test('a mounted primitive holds it, and unmounting gives the hold back', () => {
    const client = createTestClient();
    const page = mount(client, () => useRealtimeAlerts({ toast: false }));
    expect(client.holds).toBe(1);
    page.unmount();
    expect(client.holds).toBe(0);
  });

  test('it is held only while enabled', () => {
    const client = createTestClient();
    const [enabled, setEnabled] = createSignal(false);
    mount(client, () => useRealtimeAlerts({ enabled, toast: () => {} }));
    expect(client.holds).toBe(0);
    expect(client.leaks).toMatchObject({ presenters: 0, lists: 0 });
    setEnabled(true);
    expect(client.holds).toBe(1);
    expect(client.leaks).toMatchObject({ presenters: 1, lists: 1 });
    setEnabled(false);
    expect(client.holds).toBe(0);
    expect(client.leaks).toMatchObject({ presenters: 0, lists: 0 });
  });

  test('what `enabled` is made of may change without a new hold', () => {
    const client = createTestClient();
    const [session, setSession] = createSignal<object | null>({ id: 1 });
    mount(client, () => useRealtimeAlerts({ enabled: () => session() !== null, toast: false }));
    setSession({ id: 2 });
    expect(client.calls.map((call) => call.method)).toEqual(['hold']);
  });

  test('reading a value holds nothing', () => {
    const client = createTestClient();
    mount(client, () => [useUnread(), useConnection()]);
    expect(client.holds).toBe(0);
  });

  test('useWebSocket says how it is and passes on what is asked of it', () => {
    const client = createTestClient();
    const { value: socket } = mount(client, () => useWebSocket());
    expect([socket.isConnected(), socket.isConnecting(), socket.error()]).toEqual([true, false, null]);
    client.setConnection('retrying');
    expect([socket.isConnected(), socket.isConnecting()]).toEqual([false, true]);
    expect(socket.error()?.code).toBe('connection-lost');
    expect(socket.send('cursor-moved', { x: 1 })).toBe(false);
    socket.connect();
    socket.disconnect();
    expect(client.calls.map((call) => call.method)).toEqual(['hold', 'send', 'connect', 'disconnect']);
    expect(socket.connection().state).toBe('idle');
  });

  test('useWebSocket without autoConnect waits for connect()', () => {
    const client = createTestClient();
    const { value: socket } = mount(client, () => useWebSocket({ autoConnect: false }));
    expect(client.holds).toBe(0);
    socket.connect();
    expect(client.holds).toBe(1);
    expect(socket.isConnected()).toBe(true);
  });
});

describe('alerts', () => {
  test('a new alert is at the top, and the unread number is the client’s', () => {
    const client = createTestClient({ alerts: [testAlert('deal-notification', deal)] });
    const { value: alerts } = mount(client, () => useRealtimeAlerts({ toast: false }));
    const fresh = client.receive('deal-notification', { ...deal, message: 'Another' });
    expect(alerts.alerts().map((alert) => alert.id)[0]).toBe(fresh.id);
    expect(alerts.alerts()).toHaveLength(2);
    client.setUnread(41);
    expect(alerts.unread()).toBe(41);
  });

  test('an effect runs anew when the list changes, and when another list takes its place', () => {
    const client = createTestClient({ alerts: [testAlert('deal-notification', deal)] });
    const [kinds, setKinds] = createSignal<readonly string[]>(['deal-notification']);
    const seen: number[] = [];
    mount(client, () => {
      const { alerts } = useRealtimeAlerts({ kinds, toast: false });
      createEffect(() => seen.push(alerts().length));
    });
    client.receive('deal-notification', deal);
    setKinds(['system-message']);
    client.receive('system-message', { message: 'Hello', severity: 'info' });
    expect(seen.filter((count, at) => count !== seen[at - 1])).toEqual([1, 2, 0, 1]);
    expect(client.leaks.lists).toBe(1);
  });

  test('more alerts come page by page until there are none', async () => {
    const client = createTestClient({ alerts: Array.from({ length: 3 }, () => testAlert('deal-notification', deal)) });
    const { value: alerts } = mount(client, () => useRealtimeAlerts({ limit: 2, toast: false }));
    expect(alerts.hasMore()).toBe(true);
    expect(await alerts.loadMore()).toEqual({ done: true });
    expect(alerts.alerts()).toHaveLength(3);
    expect(alerts.hasMore()).toBe(false);
  });

  test('sound is the person’s choice unless the application gives one', () => {
    const client = createTestClient({ sound: { enabled: false } });
    mount(client, () => useRealtimeAlerts({ toast: false }));
    expect(client.sound.get().enabled).toBe(false);
    mount(client, () => useRealtimeAlerts({ toast: false, sound: true }));
    expect(client.sound.get().enabled).toBe(true);
  });

  test('an error of the list comes before one of the connection', () => {
    const client = createTestClient();
    const { value: alerts } = mount(client, () => useRealtimeAlerts({ toast: false }));
    expect(alerts.error()).toBeNull();
    client.setConnection('retrying');
    expect(alerts.error()?.code).toBe('connection-lost');
    client.setListStatus('error');
    expect(alerts.error()?.code).toBe('request-failed');
  });
});

describe('toasts', () => {
  test('an own toaster is given each presentation', () => {
    const client = createTestClient();
    const toast = vi.fn();
    const page = mount(client, () => useRealtimeAlerts({ toast }));
    const alert = client.receive('deal-notification', deal);
    expect(toast.mock.calls[0]?.[0].alert.id).toBe(alert.id);
    page.unmount();
    client.receive('deal-notification', deal);
    expect(toast).toHaveBeenCalledTimes(1);
  });

  test('without toasts the tab presents nothing', () => {
    const client = createTestClient();
    mount(client, () => useRealtimeAlerts({ toast: false }));
    client.receive('deal-notification', deal);
    expect(client.presented).toEqual([]);
  });

  test('primitives that ask for the built-in toasts share one element, which goes with the last', async () => {
    const client = createTestClient();
    const first = mount(client, () => useRealtimeAlerts());
    const second = mount(client, () => useRealtimeAlerts());
    await vi.waitFor(() => expect(document.querySelectorAll('belfry-toasts')).toHaveLength(1));
    first.unmount();
    expect(document.querySelectorAll('belfry-toasts')).toHaveLength(1);
    second.unmount();
    expect(document.querySelectorAll('belfry-toasts')).toHaveLength(0);
  });
});

describe('the event bus', () => {
  test('a handler gets the data first and the alert second', () => {
    const client = createTestClient();
    const handler = vi.fn();
    mount(client, () => useEventBus('notification:deal', handler));
    const alert = client.receive('deal-notification', deal);
    client.receive('system-message', { message: 'Hello', severity: 'info' });
    expect(handler.mock.calls).toEqual([[deal, expect.objectContaining({ id: alert.id })]]);
  });

  test('what was missed is heard only by those who ask', () => {
    const client = createTestClient();
    const live = vi.fn();
    const all = vi.fn();
    mount(client, () => useEventBus('notification:deal', live));
    mount(client, () => useEventBus('notification:deal', all, { replay: 'catch-up' }));
    client.receive('deal-notification', deal, { arrival: 'catch-up' });
    expect(live).not.toHaveBeenCalled();
    expect(all).toHaveBeenCalledTimes(1);
  });
});

describe('an event that is presented', () => {
  test('its handler shows it in place of the toasts, and everything else is theirs', () => {
    const client = createTestClient();
    const shows = vi.fn();
    const toast = vi.fn();
    mount(client, () => useEventBus('notification:deal', shows, { present: true }));
    mount(client, () => useRealtimeAlerts({ toast }));
    client.receive('deal-notification', deal);
    client.receive('deal-notification', deal, { quiet: true });
    expect([shows.mock.calls.length, toast.mock.calls.length]).toEqual([1, 0]);
    client.receive('system-message', { message: 'Hello', severity: 'info' });
    expect([shows.mock.calls.length, toast.mock.calls.length]).toEqual([1, 1]);
  });
});

describe('settings', () => {
  test('do-not-disturb, sound and push are read and set', async () => {
    const client = createTestClient();
    const { value } = mount(client, () => ({ quiet: useDoNotDisturb(), sound: useSound(), push: usePush() }));
    await value.quiet.set({ until: 'on' });
    expect(value.quiet.active()).toBe(true);
    value.sound.set(false);
    expect(value.sound.enabled()).toBe(false);
    await value.push.enable();
    expect(value.push.state()).toBe('on');
    await value.push.disable();
    expect(value.push.state()).toBe('off');
  });

  test('preferences are loaded on mount, and a failure leaves them empty', () => {
    const client = createTestClient();
    client.failNext('preferences.load');
    const { value } = mount(client, () => usePreferences());
    expect(client.calls).toMatchObject([{ method: 'preferences.load' }]);
    expect(value.preferences()).toBeNull();
  });
});

describe('the provider', () => {
  test('another user is another identity, once', () => {
    const client = createTestClient();
    const [user, setUser] = createSignal<string | null | undefined>(undefined);
    createRoot(() =>
      createComponent(BelfryProvider, {
        client,
        get user() {
          return user();
        },
        get children() {
          useBelfry();
          return null;
        },
      }),
    );
    expect(client.calls).toEqual([]);
    setUser('bob');
    setUser('bob');
    expect(client.calls).toEqual([{ method: 'identify', args: ['bob'] }]);
    setUser(null);
    expect(client.calls).toHaveLength(2);
  });
});

test('hydration begins with what the server rendered, and then says what is so', () => {
  const client = createTestClient({ unread: 7, connection: 'live' });
  const initial = { unread: 5 };
  let first: unknown[] = [];
  let later = (): unknown[] => [];
  // What `hydrate` sets while it claims the server's nodes.
  sharedConfig.context = { id: '', count: 0 };
  const dispose = createRoot((disposeRoot) => {
    createComponent(BelfryProvider, {
      client,
      initial,
      get children() {
        const unread = useUnread();
        const connection = useConnection();
        later = () => [unread(), connection().state];
        first = untrack(later);
        return null;
      },
    });
    return disposeRoot;
  });
  delete sharedConfig.context;
  expect(first).toEqual([5, 'idle']);
  expect(later()).toEqual([7, 'live']);
  dispose();
});

test('a thousand mounts leave no subscription', () => {
  const client = createTestClient();
  for (let i = 0; i < 1_000; i += 1) {
    const page = mount(client, () => {
      useWebSocket();
      useEventBus('notification:deal', () => {});
      useDoNotDisturb();
      useSound();
      usePush();
      useUnread();
      useConnection();
      return useRealtimeAlerts({ toast: () => {} });
    });
    if (i === 0) expect(client.leaks).toMatchObject({ presenters: 1, lists: 1 });
    page.unmount();
  }
  expect(client.holds).toBe(0);
  expect(client.leaks).toEqual({ listeners: 0, presenters: 0, lists: 0 });
});
