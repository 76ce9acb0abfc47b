import {
  Announcement,
  BelfryProvider,
  Bell,
  ConnectionIndicator,
  DoNotDisturbSwitch,
  type ElementProps,
  Inbox,
  Preferences,
  PushPrompt,
  SoundSwitch,
  Toasts,
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
import { createElement, type FunctionComponent, type ReactNode } from 'react';
import { renderToString } from 'react-dom/server';
import { afterEach, expect, test, vi } from 'vitest';

const deal = { deals: [], user_id: 'ann', message: 'One deal' };
const rows = [testAlert('deal-notification', deal), testAlert('system-message', { message: 'Hi', severity: 'info' })];

/** Calls every hook and prints what they say. */
function Everything(): ReactNode {
  const { isConnected, isConnecting, error } = useWebSocket({ reconnectDelay: 500 });
  const { alerts, unread, hasMore } = useRealtimeAlerts();
  const deals = useRealtimeAlerts({ kinds: ['deal-notification'], limit: 1, toast: () => {}, sound: false });
  useEventBus('notification:deal', () => {});
  const said = {
    state: useConnection().state,
    isConnected,
    isConnecting,
    error,
    alerts: alerts.length,
    deals: deals.alerts.length,
    unread,
    again: useUnread(),
    hasMore,
    quiet: useDoNotDisturb().active,
    sound: useSound().enabled,
    push: usePush().state,
    preferences: usePreferences().preferences,
  };
  return createElement('pre', null, JSON.stringify(said));
}

const all = [
  Announcement,
  Toasts,
  Bell,
  Inbox,
  ConnectionIndicator,
  DoNotDisturbSwitch,
  SoundSwitch,
  PushPrompt,
  Preferences,
];
const elements = (all as FunctionComponent<ElementProps>[]).map((component) =>
  createElement(component, { key: component.displayName, className: 'mine', onOpen: () => {}, 'data-test': 'yes' }),
);

const json = (html: string): unknown =>
  JSON.parse((/<pre>(.*)<\/pre>/.exec(html)?.[1] ?? 'null').replaceAll('&quot;', '"'));

afterEach(() => vi.unstubAllGlobals());

test('there is no window here', () => {
  expect(typeof window).toBe('undefined');
  expect(typeof document).toBe('undefined');
});

test('every hook renders on a server, with what is true for everybody', () => {
  const client = createTestClient({ alerts: rows, connection: 'live' });
  const html = renderToString(createElement(BelfryProvider, { client }, createElement(Everything)));
  expect(json(html)).toEqual({
    state: 'idle',
    isConnected: false,
    isConnecting: false,
    error: null,
    alerts: 0,
    deals: 0,
    unread: 0,
    again: 0,
    hasMore: false,
    quiet: false,
    sound: true,
    push: 'unknown',
    preferences: null,
  });
  expect(client.calls).toEqual([]);
  expect(client.leaks).toEqual({ listeners: 0, presenters: 0, lists: 0 });
});

test('a snapshot gives the first paint the real numbers and rows', () => {
  const client = createTestClient();
  const initial = { unread: 5, alerts: rows };
  const html = renderToString(createElement(BelfryProvider, { client, initial }, createElement(Everything)));
  expect(json(html)).toMatchObject({ unread: 5, again: 5, alerts: 2, deals: 1, state: 'idle' });
});

test('a client that the provider makes touches nothing while it renders', () => {
  const touched = vi.fn(() => {
    throw new Error('a server has none');
  });
  for (const name of ['WebSocket', 'localStorage', 'indexedDB', 'BroadcastChannel', 'fetch'])
    vi.stubGlobal(name, new Proxy(touched, { get: touched, construct: touched, apply: touched }));
  const options = { url: '/app' };
  const html = renderToString(
    createElement(BelfryProvider, { options, user: 'ann' }, createElement(Everything), ...elements),
  );
  expect(json(html)).toMatchObject({ state: 'idle', unread: 0 });
  expect(renderToString(createElement(Everything))).toContain('&quot;state&quot;:&quot;idle&quot;');
  expect(touched).not.toHaveBeenCalled();
});

test('components render their tags, with attributes and without properties', () => {
  const html = renderToString(createElement(BelfryProvider, { client: createTestClient() }, ...elements));
  expect(html).toContain('<belfry-bell');
  expect(html).toContain('<belfry-toasts');
  expect(html).not.toContain('object Object');
  expect(html.match(/class="mine"/g)).toHaveLength(9);
  expect(html.match(/data-test="yes"/g)).toHaveLength(9);
});
