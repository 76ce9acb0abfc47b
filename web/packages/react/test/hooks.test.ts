// @vitest-environment happy-dom
import type { Presentation } from '@belfry/client';
import {
  BelfryProvider,
  useConnection,
  useDoNotDisturb,
  useEventBus,
  usePreferences,
  usePush,
  useRealtimeAlerts,
  useSound,
  useUnread,
  useWebSocket,
} from '@belfry/react';
import { createTestClient, testAlert } from '@belfry/testing';
import { act, createElement, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { mount, probe } from './page.js';

const deal = { deals: [], user_id: 'ann', message: 'One deal' };

afterEach(() => {
  document.body.replaceChildren();
});

describe('the connection', () => {
  test('a mounted hook holds it, and unmounting gives the hold back', async () => {
    const client = createTestClient();
    const page = await mount(client, probe(() => useRealtimeAlerts({ toast: false })).element);
    expect(client.holds).toBe(1);
    await page.unmount();
    expect(client.holds).toBe(0);
  });

  test('strict mode mounts twice and holds once', async () => {
    const client = createTestClient();
    const content = probe(() => useRealtimeAlerts({ toast: () => {} })).element;
    const page = await mount(client, content, { strict: true });
    expect(client.calls.filter((call) => call.method === 'hold')).toHaveLength(2);
    expect(client.holds).toBe(1);
    expect(client.leaks).toMatchObject({ presenters: 1, lists: 1 });
    await page.unmount();
    expect(client.holds).toBe(0);
  });

  test('it is held only while enabled', async () => {
    const client = createTestClient();
    const when = (enabled: boolean) => () => useRealtimeAlerts({ enabled, toast: () => {} });
    const alerts = probe(when(false));
    const page = await mount(client, alerts.element);
    expect(client.holds).toBe(0);
    expect(client.leaks).toMatchObject({ presenters: 0, lists: 0 });
    await page.show(alerts.again(when(true)));
    expect(client.holds).toBe(1);
    expect(client.leaks).toMatchObject({ presenters: 1, lists: 1 });
    await page.show(alerts.again(when(false)));
    expect(client.holds).toBe(0);
    expect(client.leaks).toMatchObject({ presenters: 0, lists: 0 });
  });

  test('reading a value holds nothing', async () => {
    const client = createTestClient();
    const unread = probe(useUnread);
    await mount(client, unread.element);
    await mount(client, probe(useConnection).element);
    expect(client.holds).toBe(0);
  });

  test('useWebSocket says how it is and passes on what is asked of it', async () => {
    const client = createTestClient();
    const socket = probe(() => useWebSocket());
    await mount(client, socket.element);
    expect(socket.last()).toMatchObject({ isConnected: true, isConnecting: false, error: null });
    await act(async () => client.setConnection('retrying'));
    expect(socket.last()).toMatchObject({ isConnected: false, isConnecting: true });
    expect(socket.last().error?.code).toBe('connection-lost');
    expect(socket.last().send('cursor-moved', { x: 1 })).toBe(false);
    socket.last().connect();
    await act(async () => socket.last().disconnect());
    expect(client.calls.map((call) => call.method)).toEqual(['hold', 'send', 'connect', 'disconnect']);
    expect(socket.last().connection.state).toBe('idle');
  });

  test('useWebSocket without autoConnect waits for connect()', async () => {
    const client = createTestClient();
    const socket = probe(() => useWebSocket({ autoConnect: false }));
    await mount(client, socket.element);
    expect(client.holds).toBe(0);
    await act(async () => socket.last().connect());
    expect(client.holds).toBe(1);
    expect(socket.last().isConnected).toBe(true);
  });
});

describe('alerts', () => {
  test('a new alert is at the top, and the unread number is the client’s', async () => {
    const client = createTestClient({ alerts: [testAlert('deal-notification', deal)] });
    const alerts = probe(() => useRealtimeAlerts({ toast: false }));
    await mount(client, alerts.element);
    const fresh = await act(async () => client.receive('deal-notification', { ...deal, message: 'Another' }));
    expect(alerts.last().alerts.map((alert) => alert.id)[0]).toBe(fresh.id);
    expect(alerts.last().alerts).toHaveLength(2);
    expect(alerts.last().unread).toBe(client.unread.get());
    await act(async () => client.setUnread(41));
    expect(alerts.last().unread).toBe(41);
  });

  test('kinds narrow the list, and the same kinds in a new array open no new list', async () => {
    const client = createTestClient();
    const list = vi.spyOn(client, 'list');
    const alerts = probe(() => useRealtimeAlerts({ kinds: ['deal-notification'], toast: false }));
    const page = await mount(client, alerts.element);
    await act(async () => client.receive('system-message', { message: 'Hello', severity: 'info' }));
    expect(alerts.last().alerts).toEqual([]);
    await act(async () => client.receive('deal-notification', deal));
    expect(alerts.last().alerts).toHaveLength(1);
    await page.show(alerts.element);
    expect(list).toHaveBeenCalledTimes(1);
    expect(list).toHaveBeenCalledWith({ kinds: ['deal-notification'] });
  });

  test('another limit opens another list and closes the first', async () => {
    const client = createTestClient({ alerts: Array.from({ length: 9 }, () => testAlert('deal-notification', deal)) });
    const alerts = probe(() => useRealtimeAlerts({ limit: 2, toast: false }));
    const page = await mount(client, alerts.element);
    expect(alerts.last().alerts).toHaveLength(2);
    await page.show(alerts.again(() => useRealtimeAlerts({ limit: 5, toast: false })));
    expect(alerts.last().alerts).toHaveLength(5);
    expect(client.leaks.lists).toBe(1);
  });

  test('more alerts come page by page until there are none', async () => {
    const client = createTestClient({ alerts: Array.from({ length: 3 }, () => testAlert('deal-notification', deal)) });
    const alerts = probe(() => useRealtimeAlerts({ limit: 2, toast: false }));
    await mount(client, alerts.element);
    expect(alerts.last().hasMore).toBe(true);
    await act(async () => {
      expect(await alerts.last().loadMore()).toEqual({ done: true });
    });
    expect(alerts.last().alerts).toHaveLength(3);
    expect(alerts.last().hasMore).toBe(false);
  });

  test('what marks alerts keeps its identity from render to render', async () => {
    const client = createTestClient();
    const alerts = probe(() => useRealtimeAlerts({ toast: false }));
    await mount(client, alerts.element);
    const { markRead } = alerts.last();
    const alert = await act(async () => client.receive('deal-notification', deal));
    await act(async () => alerts.last().markRead(alert.id));
    expect(alerts.last().markRead).toBe(markRead);
    expect(alerts.last().alerts[0]?.state.read).toBe(true);
    expect(alerts.last().unread).toBe(0);
  });

  test('sound is the person’s choice unless the application gives one', async () => {
    const client = createTestClient({ sound: { enabled: false } });
    await mount(client, probe(() => useRealtimeAlerts({ toast: false })).element);
    expect(client.sound.get().enabled).toBe(false);
    await mount(client, probe(() => useRealtimeAlerts({ toast: false, sound: true })).element);
    expect(client.sound.get().enabled).toBe(true);
  });

  test('an error of the list comes before one of the connection', async () => {
    const client = createTestClient();
    const alerts = probe(() => useRealtimeAlerts({ toast: false }));
    await mount(client, alerts.element);
    expect(alerts.last().error).toBeNull();
    await act(async () => client.setConnection('retrying'));
    expect(alerts.last().error?.code).toBe('connection-lost');
    await act(async () => client.setListStatus('error'));
    expect(alerts.last().error?.code).toBe('request-failed');
  });
});

describe('toasts', () => {
  test('an own toaster is given each presentation, by the function of the last render', async () => {
    const client = createTestClient();
    const first = vi.fn();
    const second = vi.fn<(presentation: Presentation) => void>();
    const alerts = probe(() => useRealtimeAlerts({ toast: first }));
    const page = await mount(client, alerts.element);
    await page.show(alerts.again(() => useRealtimeAlerts({ toast: second })));
    const alert = await act(async () => client.receive('deal-notification', deal));
    expect(first).not.toHaveBeenCalled();
    expect(second.mock.calls[0]?.[0].alert?.id).toBe(alert.id);
    expect(client.presented).toMatchObject([{ outcome: 'shown' }]);
    expect(client.leaks.presenters).toBe(1);
  });

  test('without toasts the tab presents nothing', async () => {
    const client = createTestClient();
    await mount(client, probe(() => useRealtimeAlerts({ toast: false })).element);
    await act(async () => client.receive('deal-notification', deal));
    expect(client.presented).toEqual([]);
    expect(document.querySelector('belfry-toasts')).toBeNull();
  });

  test('hooks that ask for the built-in toasts share one element, which goes with the last', async () => {
    const client = createTestClient();
    const hook = (): unknown => useRealtimeAlerts();
    const first = await mount(client, probe(hook).element);
    const second = await mount(client, probe(hook).element);
    await vi.waitFor(() => expect(document.querySelectorAll('belfry-toasts')).toHaveLength(1));
    await first.unmount();
    expect(document.querySelectorAll('belfry-toasts')).toHaveLength(1);
    await second.unmount();
    expect(document.querySelectorAll('belfry-toasts')).toHaveLength(0);
  });
});

describe('the event bus', () => {
  test('a handler gets the data first and the alert second', async () => {
    const client = createTestClient();
    const handler = vi.fn();
    await mount(client, probe(() => useEventBus('notification:deal', handler)).element);
    const alert = client.receive('deal-notification', deal);
    client.receive('system-message', { message: 'Hello', severity: 'info' });
    expect(handler.mock.calls).toEqual([[deal, expect.objectContaining({ id: alert.id })]]);
  });

  test('the handler is always that of the last render, without subscribing anew', async () => {
    const client = createTestClient();
    const on = vi.spyOn(client, 'on');
    const heard: string[] = [];
    const counter = probe(() => {
      const [count, setCount] = useState(0);
      useEventBus('notification:deal', () => {
        heard.push(`at ${count}`);
        setCount(count + 1);
      });
    });
    await mount(client, counter.element);
    for (let i = 0; i < 3; i += 1) await act(async () => client.receive('deal-notification', deal));
    expect(heard).toEqual(['at 0', 'at 1', 'at 2']);
    expect(on).toHaveBeenCalledTimes(1);
  });

  test('what was missed is heard only by those who ask', async () => {
    const client = createTestClient();
    const live = vi.fn();
    const all = vi.fn();
    await mount(client, probe(() => useEventBus('notification:deal', live)).element);
    await mount(client, probe(() => useEventBus('notification:deal', all, { replay: 'catch-up' })).element);
    client.receive('deal-notification', deal, { arrival: 'catch-up' });
    expect(live).not.toHaveBeenCalled();
    expect(all).toHaveBeenCalledTimes(1);
  });
});

describe('an event that is presented', () => {
  test('its handler shows it in place of the toasts, and everything else is theirs', async () => {
    const client = createTestClient();
    const shows = vi.fn();
    const toast = vi.fn();
    await mount(client, probe(() => useEventBus('notification:deal', shows, { present: true })).element);
    await mount(client, probe(() => useRealtimeAlerts({ toast })).element);
    await act(async () => client.receive('deal-notification', deal));
    expect(shows).toHaveBeenCalledTimes(1);
    expect(toast).not.toHaveBeenCalled();
    await act(async () => client.receive('system-message', { message: 'Hello', severity: 'info' }));
    expect(shows).toHaveBeenCalledTimes(1);
    expect(toast).toHaveBeenCalledTimes(1);
  });

  test('a quiet one is not', async () => {
    const client = createTestClient();
    const shows = vi.fn();
    const page = await mount(client, probe(() => useEventBus('notification:deal', shows, { present: true })).element);
    await act(async () => client.receive('deal-notification', deal, { quiet: true }));
    expect(shows).not.toHaveBeenCalled();
    await page.unmount();
    expect(client.leaks.presenters).toBe(0);
  });
});

describe('settings', () => {
  test('do-not-disturb, sound and push are read and set', async () => {
    const client = createTestClient();
    const quiet = probe(useDoNotDisturb);
    const sound = probe(useSound);
    const push = probe(usePush);
    await mount(client, quiet.element);
    await mount(client, sound.element);
    await mount(client, push.element);
    await act(async () => quiet.last().set({ until: 'on' }));
    expect(quiet.last().active).toBe(true);
    await act(async () => sound.last().set(false));
    expect(sound.last().enabled).toBe(false);
    await act(async () => push.last().enable());
    expect(push.last().state).toBe('on');
    await act(async () => push.last().disable());
    expect(push.last().state).toBe('off');
  });

  test('preferences are loaded on mount, and a failure leaves them empty', async () => {
    const client = createTestClient();
    client.failNext('preferences.load');
    const preferences = probe(usePreferences);
    await mount(client, preferences.element);
    expect(client.calls).toMatchObject([{ method: 'preferences.load' }]);
    expect(preferences.last().preferences).toBeNull();
  });
});

describe('the provider', () => {
  test('another user is another identity, once', async () => {
    const client = createTestClient();
    const root = createRoot(document.body.appendChild(document.createElement('main')));
    const render = (user?: string | null): Promise<void> =>
      act(async () => root.render(createElement(BelfryProvider, { client, user })));
    await render();
    expect(client.calls).toEqual([]);
    await render('bob');
    await render('bob');
    expect(client.calls).toEqual([{ method: 'identify', args: ['bob'] }]);
    await render(null);
    expect(client.calls).toHaveLength(2);
    expect(client.user.get()).toBeNull();
  });

  test('another client takes over all that hung on the first', async () => {
    const first = createTestClient();
    const second = createTestClient();
    const handler = vi.fn();
    const content = probe(() => {
      useEventBus('notification:deal', handler);
      return useRealtimeAlerts({ toast: () => {} });
    });
    const root = createRoot(document.body.appendChild(document.createElement('main')));
    await act(async () => root.render(createElement(BelfryProvider, { client: first }, content.element)));
    await act(async () => root.render(createElement(BelfryProvider, { client: second }, content.element)));
    expect(first.holds).toBe(0);
    expect(first.leaks).toEqual({ listeners: 0, presenters: 0, lists: 0 });
    expect(second.holds).toBe(1);
    await act(async () => second.receive('deal-notification', deal));
    expect(handler).toHaveBeenCalledTimes(1);
  });
});

test('a thousand mounts leave no subscription', async () => {
  const client = createTestClient();
  const content = probe(() => {
    useWebSocket();
    useEventBus('notification:deal', () => {});
    useDoNotDisturb();
    useSound();
    usePush();
    useUnread();
    useConnection();
    return useRealtimeAlerts({ toast: () => {} });
  });
  const root = createRoot(document.body.appendChild(document.createElement('main')));
  const mounted = createElement(BelfryProvider, { client }, content.element);
  await act(async () => root.render(mounted));
  expect(client.leaks).toMatchObject({ presenters: 1, lists: 1 });
  expect(client.leaks.listeners).toBeGreaterThan(5);
  for (let i = 0; i < 1_000; i += 1) {
    await act(async () => root.render(null));
    await act(async () => root.render(mounted));
  }
  await act(async () => root.unmount());
  expect(client.holds).toBe(0);
  expect(client.leaks).toEqual({ listeners: 0, presenters: 0, lists: 0 });
});
