import type { AnyAlert } from '@belfry/client';
import { alertActions, createAlertsList, socketActions, unheld } from '@belfry/client/bindings';
import { createTestClient, testAlert } from '@belfry/testing';
import { expect, test, vi } from 'vitest';

const deal = (): AnyAlert => testAlert('deal-notification', { deals: [] });
const message = (): AnyAlert => testAlert('system-message', { message: 'Hi' });

test('before it is open a list shows what the server rendered, of its kinds and no more than its limit', () => {
  const client = createTestClient();
  const rows = [deal(), message(), deal(), deal()];
  const list = createAlertsList(client, { kinds: ['deal-notification'], limit: 2 }, rows);
  expect(list.get()).toEqual({ alerts: [rows[0], rows[2]], hasMore: false, error: null });
  expect(list.get()).toBe(list.rendered);
  expect(client.leaks).toEqual({ listeners: 0, presenters: 0, lists: 0 });
});

test('while the first page loads the rendered rows stand, afterwards the list’s own, even none', () => {
  const client = createTestClient();
  const rows = [deal()];
  const list = createAlertsList(client, {}, rows);
  const opened = client.list({});
  vi.spyOn(client, 'list').mockReturnValue({
    ...opened,
    items: opened.items,
    status: { get: () => 'loading', subscribe: opened.status.subscribe.bind(opened.status) },
    hasMore: opened.hasMore,
    error: opened.error,
    dispose: () => {},
  });
  const release = list.open();
  expect(list.get().alerts).toEqual(rows);
  release();
  vi.mocked(client.list).mockRestore();
  list.open();
  expect(list.get().alerts).toEqual([]);
});

test('one change is one new value, and the same value is not told again', () => {
  const client = createTestClient();
  const list = createAlertsList(client, {});
  list.open();
  const heard = vi.fn();
  list.subscribe(heard);
  client.receive('deal-notification', { deals: [] });
  expect(list.get().alerts).toHaveLength(1);
  expect(heard.mock.lastCall?.[0]).toBe(list.get());
  expect(list.get()).toBe(list.get());
  client.setListStatus('error');
  expect(list.get().error?.code).toBe('request-failed');
});

test('it closes with the last of those that opened it, once', () => {
  const client = createTestClient({ alerts: [deal()] });
  const list = createAlertsList(client, {});
  const one = list.open();
  const two = list.open();
  one();
  one();
  expect(client.leaks.lists).toBe(1);
  expect(list.get().alerts).toHaveLength(1);
  two();
  expect(client.leaks).toEqual({ listeners: 0, presenters: 0, lists: 0 });
  expect(list.get()).toBe(list.rendered);
  list.open();
  expect(list.get().alerts).toHaveLength(1);
});

test('more is loaded where it is open, and nowhere else', async () => {
  const client = createTestClient({ alerts: [deal(), deal(), deal()] });
  const list = createAlertsList(client, { limit: 2 });
  expect(await list.loadMore()).toEqual({ done: true });
  expect(list.get().alerts).toHaveLength(0);
  list.open();
  expect(list.get()).toMatchObject({ alerts: { length: 2 }, hasMore: true });
  expect(await list.loadMore()).toEqual({ done: true });
  expect(list.get()).toMatchObject({ alerts: { length: 3 }, hasMore: false });
});

test('actions work when they are taken apart', async () => {
  const client = createTestClient({ alerts: [deal()] });
  const [alert] = client.alerts.get();
  if (alert === undefined) throw new Error('There is no alert.');
  const { markSeen, markRead, markUnread, archive } = alertActions(client);
  for (const act of [markSeen, markRead, markUnread, archive]) await act(alert);
  const { connect, disconnect, send } = socketActions(client);
  connect();
  expect(send('cursor-moved', {})).toBe(true);
  disconnect();
  const called = ['markSeen', 'markRead', 'markUnread', 'archive', 'connect', 'send', 'disconnect'];
  expect(client.calls.map((call) => call.method)).toEqual(called);
});

test('what a client says before anybody held it names no connection', () => {
  expect(unheld.connection).toMatchObject({ state: 'idle', role: 'none', isConnected: false, error: null });
});
