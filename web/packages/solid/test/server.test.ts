import {
  Announcement,
  BelfryProvider,
  Bell,
  ConnectionIndicator,
  DoNotDisturbSwitch,
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
} from '@belfry/solid';
import { createTestClient, testAlert } from '@belfry/testing';
import { createComponent, type JSX } from 'solid-js';
import { renderToString } from 'solid-js/web';
import { afterEach, expect, test, vi } from 'vitest';

const deal = { deals: [], user_id: 'ann', message: 'One deal' };
const rows = [testAlert('deal-notification', deal), testAlert('system-message', { message: 'Hi', severity: 'info' })];

/** Calls every primitive; answers what they say. */
function everything(): object {
  const { isConnected, isConnecting, error } = useWebSocket({ reconnectDelay: 500 });
  const { alerts, unread, hasMore } = useRealtimeAlerts();
  const deals = useRealtimeAlerts({ kinds: ['deal-notification'], limit: 1, toast: () => {}, sound: false });
  useEventBus('notification:deal', () => {});
  return {
    state: useConnection()().state,
    isConnected: isConnected(),
    isConnecting: isConnecting(),
    error: error(),
    alerts: alerts().length,
    deals: deals.alerts().length,
    unread: unread(),
    again: useUnread()(),
    hasMore: hasMore(),
    quiet: useDoNotDisturb().active(),
    sound: useSound().enabled(),
    push: usePush().state(),
    preferences: usePreferences().preferences(),
  };
}

const elements = (): JSX.Element =>
  [
    Announcement,
    Toasts,
    Bell,
    Inbox,
    ConnectionIndicator,
    DoNotDisturbSwitch,
    SoundSwitch,
    PushPrompt,
    Preferences,
  ].map((component) => createComponent(component, { class: 'mine', onOpen: () => {}, 'data-test': 'yes' }));

/** Renders below a provider; answers what the primitives said. */
function render(props: Parameters<typeof BelfryProvider>[0]): object {
  let said = {};
  renderToString(() =>
    createComponent(BelfryProvider, {
      ...props,
      get children() {
        said = everything();
        return null;
      },
    }),
  );
  return said;
}

afterEach(() => vi.unstubAllGlobals());

test('there is no window here', () => {
  expect(typeof window).toBe('undefined');
  expect(typeof document).toBe('undefined');
});

test('every primitive works on a server, with what is true for everybody', () => {
  const client = createTestClient({ alerts: rows, connection: 'live' });
  expect(render({ client })).toEqual({
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
  const initial = { unread: 5, alerts: rows };
  expect(render({ client: createTestClient(), initial })).toMatchObject({
    unread: 5,
    again: 5,
    alerts: 2,
    deals: 1,
    state: 'idle',
  });
});

test('a client that the provider makes touches nothing while it renders', () => {
  const touched = vi.fn(() => {
    throw new Error('a server has none');
  });
  for (const name of ['WebSocket', 'localStorage', 'indexedDB', 'BroadcastChannel', 'fetch'])
    vi.stubGlobal(name, new Proxy(touched, { get: touched, construct: touched, apply: touched }));
  expect(render({ options: { url: '/app' }, user: 'ann' })).toMatchObject({ state: 'idle', unread: 0 });
  renderToString(() => {
    expect(everything()).toMatchObject({ state: 'idle' });
    return elements();
  });
  expect(touched).not.toHaveBeenCalled();
});

test('components render their tags, with attributes and without properties', () => {
  const client = createTestClient();
  const html = renderToString(() =>
    createComponent(BelfryProvider, {
      client,
      get children() {
        return [elements(), createComponent(Toasts, { placement: 'top-end', keep: true, renderToast: () => null })];
      },
    }),
  );
  expect(html).toContain('<belfry-bell');
  expect(html).toMatch(/<belfry-toasts[^>]* placement="top-end" keep/);
  expect(html).not.toMatch(/object Object|renderToast|=&gt;|=>/);
  expect(html.match(/class="mine ?"/g)).toHaveLength(9);
  expect(html.match(/data-test="yes"/g)).toHaveLength(9);
});
