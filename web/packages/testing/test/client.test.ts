import type { AnyAlert, JsonObject, Presentation } from '@belfry/client';
import { describe, expect, it } from 'vitest';
import { createFakeClock, createTestClient, testAlert, testError } from '../src/index.js';

const deal = { message: 'Oat milk for 1.49' };

describe('alerts', () => {
  it('a received alert is in the list, counted, and told to whoever listens for its kind or event', () => {
    const client = createTestClient();
    const told: unknown[] = [];
    client.on('deal-notification', (alert) => told.push(alert.kind));
    client.on('notification:deal', (data: JsonObject, alert: AnyAlert) => told.push(data, alert.seq));
    client.on('system-message', () => told.push('never'));
    const alert = client.receive('deal-notification', deal);
    expect(client.alerts.get()).toEqual([alert]);
    expect(client.unread.get()).toBe(1);
    expect(told).toEqual(['deal-notification', deal, 1]);
  });

  it('a caught-up alert is told only to those who asked for a replay', () => {
    const client = createTestClient();
    const live: string[] = [];
    const all: string[] = [];
    client.on('a', (alert) => live.push(alert.id));
    client.on('a', (alert) => all.push(alert.id), { replay: 'catch-up' });
    client.receive('a', {}, { arrival: 'catch-up' });
    expect(live).toEqual([]);
    expect(all).toHaveLength(1);
  });

  it('replay of everything begins with what is there, oldest first', () => {
    const first = testAlert('a', { n: 1 });
    const second = testAlert('a', { n: 2 }, { seq: 2 });
    const client = createTestClient({ alerts: [second, first] });
    const seen: unknown[] = [];
    client.on('a', (alert) => seen.push(alert.data['n']), { replay: 'all' });
    client.receive('a', { n: 3 });
    expect(seen).toEqual([1, 2, 3]);
  });

  it('a listener that unsubscribed or was aborted hears nothing', () => {
    const client = createTestClient();
    const abort = new AbortController();
    let told = 0;
    client.on('a', () => (told += 1), { signal: abort.signal });
    client.onMessage(() => (told += 1))();
    abort.abort();
    client.receive('a', {});
    expect(told).toBe(0);
    expect(client.leaks).toEqual({ listeners: 0, presenters: 0, lists: 0 });
  });

  it('a plain listener gets the frame with type, data and timestamp', () => {
    const client = createTestClient({ clock: createFakeClock() });
    const frames: unknown[] = [];
    client.onMessage((message) => frames.push(message));
    client.receive('a', { n: 1 });
    expect(frames).toMatchObject([{ type: 'a', data: { n: 1 }, timestamp: '2026-01-01T00:00:00.000Z', unread: 1 }]);
  });

  it('reading changes row and number, and the row is another object', async () => {
    const client = createTestClient({ alerts: [testAlert('a', {})], unread: 5 });
    const before = client.alerts.get()[0];
    await client.markRead('00000000-0000-7000-8000-000000000001');
    expect(client.unread.get()).toBe(4);
    expect(client.alerts.get()[0]).not.toBe(before);
    expect(client.alerts.get()[0]?.state).toEqual({ seen: true, read: true, archived: false, acted: false });
    await client.markRead('unknown');
    expect(client.unread.get()).toBe(4);
  });

  it('reading up to an alert leaves newer ones unread', async () => {
    const client = createTestClient();
    const first = client.receive('a', {});
    const second = client.receive('a', {});
    client.receive('a', {});
    await client.markRead({ upTo: second });
    expect(client.alerts.get().map((alert) => alert.state.read)).toEqual([false, true, true]);
    expect(client.alerts.get()[2]?.id).toBe(first.id);
  });

  it('a call that is to fail rejects once and changes nothing', async () => {
    const client = createTestClient({ alerts: [testAlert('a', {})] });
    client.failNext('archive', testError('offline'));
    const [alert] = client.alerts.get();
    await expect(client.archive(alert?.id ?? '')).rejects.toMatchObject({ code: 'offline' });
    expect(client.alerts.get()).toHaveLength(1);
    await client.archive(alert?.id ?? '');
    expect(client.alerts.get()).toEqual([]);
    expect(client.calls.map((call) => call.method)).toEqual(['archive', 'archive']);
  });
});

describe('lists', () => {
  const rows: AnyAlert[] = [3, 2, 1].map((seq) => testAlert(seq === 2 ? 'b' : 'a', {}, { seq }));

  it('a list filters, pages, and gets live alerts at the top', async () => {
    const client = createTestClient({ alerts: rows });
    const list = client.list({ kinds: ['a'], limit: 1 });
    expect(list.items.get().map((row) => row.seq)).toEqual([3]);
    expect(list.hasMore.get()).toBe(true);
    client.receive('b', {});
    client.receive('a', {});
    expect(list.items.get().map((row) => row.seq)).toEqual([5, 3]);
    expect(await list.loadMore()).toEqual({ done: true });
    expect(list.items.get().map((row) => row.seq)).toEqual([5, 3, 1]);
  });

  it('a row that was read stays in a list of unread ones until it is refreshed; an archived one leaves', async () => {
    const client = createTestClient({ alerts: rows });
    const list = client.list({ unread: true });
    await client.markRead(rows[0]?.id ?? '');
    expect(list.items.get().map((row) => [row.seq, row.state.read])).toEqual([
      [3, true],
      [2, false],
      [1, false],
    ]);
    await client.archive(rows[1]?.id ?? '');
    expect(list.items.get().map((row) => row.seq)).toEqual([3, 1]);
    await list.refresh();
    expect(list.items.get().map((row) => row.seq)).toEqual([1]);
    list.dispose();
    expect(client.leaks.lists).toBe(0);
  });

  it('older rows come with the next page and do not change the number', async () => {
    const client = createTestClient({ alerts: rows.slice(0, 1), older: rows.slice(1) });
    expect(client.unread.get()).toBe(3);
    expect(await client.loadMore(1)).toEqual({ done: false });
    expect(client.alerts.get().map((row) => row.seq)).toEqual([3, 2]);
    expect(await client.loadMore()).toEqual({ done: true });
    expect(client.unread.get()).toBe(3);
  });
});

describe('presenting', () => {
  it('the presenter that registered last presents; without one nothing is presented', () => {
    const client = createTestClient();
    client.receive('a', {});
    const shown: string[] = [];
    client.onPresent(() => void shown.push('first'));
    const remove = client.onPresent(() => void shown.push('second'));
    client.receive('a', {});
    remove();
    client.receive('a', {});
    expect(shown).toEqual(['second', 'first']);
    expect(client.presented.map((one) => one.outcome)).toEqual(['shown', 'shown']);
  });

  it('a listener that presents its event takes it from the presenter, and only that', () => {
    const client = createTestClient();
    const shown: unknown[] = [];
    client.onPresent(({ alert }) => void shown.push(alert?.kind));
    const stop = client.on('notification:deal', (data: JsonObject) => shown.push(data), { present: true });
    client.receive('deal-notification', deal);
    client.receive('deal-notification', deal, { quiet: true });
    client.receive('system-message', {});
    stop();
    client.receive('deal-notification', deal);
    expect(shown).toEqual([deal, 'system-message', 'deal-notification']);
  });

  it('false declines, a promise waits for shown()', () => {
    const client = createTestClient();
    let answer: false | Promise<void> = false;
    let last: Presentation | null = null;
    client.onPresent((presentation) => {
      last = presentation;
      return answer;
    });
    client.receive('a', {});
    answer = Promise.resolve();
    client.receive('a', {});
    expect(client.presented.map((one) => one.outcome)).toEqual(['declined', 'pending']);
    (last as Presentation | null)?.shown();
    expect(client.presented[1]?.outcome).toBe('shown');
  });

  it('a handler that declines passes it on, and whoever throws does not', () => {
    const errors: string[] = [];
    const client = createTestClient({ onError: ({ message }) => errors.push(message) });
    const asked: string[] = [];
    client.onPresent(() => void asked.push('toasts'));
    client.onPresent(() => {
      asked.push('none');
      return false;
    });
    client.on('a', () => void asked.push('listener'), { present: true });
    client.receive('a', {});
    client.receive('b', {});
    expect(asked).toEqual(['listener', 'none', 'toasts']);
    expect(client.presented.map((one) => one.outcome)).toEqual(['shown', 'shown']);
    client.onPresent(() => {
      throw new Error('mine');
    });
    client.receive('b', {});
    expect([asked.length, client.presented[2]?.outcome, errors]).toEqual([3, 'declined', ['mine']]);
  });

  it('a toast ends when its alert was read elsewhere, archived or recalled', async () => {
    const client = createTestClient();
    client.onPresent(() => {});
    const alerts = [client.receive('a', {}), client.receive('a', {}), client.receive('a', {}), client.receive('a', {})];
    const ids = alerts.map((alert) => alert.id);
    client.changeElsewhere(ids[0] ?? '', { read: true });
    await client.archive(ids[1] ?? '');
    client.leave(ids[2] ?? '');
    expect(client.presented.map((one) => one.presentation.signal.aborted)).toEqual([true, true, true, false]);
  });

  it('opening marks read and follows the link', () => {
    const followed: string[] = [];
    const client = createTestClient({ navigate: (url) => followed.push(url) });
    client.onPresent(() => {});
    client.receive('a', {}, { link: '/deals' });
    client.presented[0]?.presentation.opened();
    expect(followed).toEqual(['/deals']);
    expect(client.unread.get()).toBe(0);
    expect(client.presented[0]?.opened).toBe(true);
  });

  it('quiet, read and caught-up-as-read alerts are not presented', () => {
    const client = createTestClient();
    client.onPresent(() => {});
    client.receive('a', {}, { quiet: true });
    client.receive('a', {}, { state: { read: true } });
    expect(client.presented).toEqual([]);
    expect(client.unread.get()).toBe(1);
  });

  it('do-not-disturb silences all but what breaks through, and ends with one summary', async () => {
    const client = createTestClient({ doNotDisturb: { active: true } });
    client.onPresent(() => {});
    client.receive('a', {});
    client.receive('a', {});
    client.receive('b', {}, { breaksThrough: true });
    expect(client.presented.map((one) => one.alert?.kind)).toEqual(['b']);
    expect(client.unread.get()).toBe(3);
    await client.setDoNotDisturb({ until: 'off' });
    expect(client.presented.at(-1)?.presentation.summary).toEqual({ count: 2, reason: 'do-not-disturb' });
  });

  it('a burst counts what came within five seconds', async () => {
    const clock = createFakeClock();
    const client = createTestClient({ clock });
    client.onPresent(() => {});
    client.receive('a', {});
    await clock.advance(2_000);
    client.receive('a', {});
    await clock.advance(4_000);
    client.receive('a', {});
    expect(client.presented.map((one) => one.presentation.burst)).toEqual([1, 2, 2]);
  });
});

describe('connection and user', () => {
  it('it is live while somebody holds it, and idle for nobody', async () => {
    const client = createTestClient();
    expect(client.connection.get()).toMatchObject({ state: 'idle', isConnected: false, role: 'none' });
    const release = client.hold();
    client.connect();
    expect(client.connection.get().state).toBe('live');
    release();
    release();
    expect(client.holds).toBe(1);
    expect(client.connection.get().state).toBe('live');
    client.disconnect();
    expect(client.connection.get().state).toBe('idle');
    const signedOut = createTestClient({ user: null });
    signedOut.hold();
    expect(signedOut.connection.get().state).toBe('idle');
    await signedOut.identify('bob');
    expect(signedOut.connection.get().state).toBe('live');
  });

  it('a connection that a test set stays until the test sets another', () => {
    const client = createTestClient({ connection: 'retrying' });
    client.hold();
    expect(client.connection.get()).toMatchObject({ state: 'retrying', isConnecting: true, attempts: 1 });
    expect(client.send('typing', {})).toBe(false);
    client.setConnection({ state: 'offline', attempts: 11 });
    expect(client.connection.get()).toMatchObject({ state: 'offline', attempts: 11, isConnecting: false });
    expect(client.connection.get().error?.code).toBe('connection-lost');
    client.setConnection('live');
    expect(client.connection.get()).toMatchObject({ isConnected: true, error: null, retryAt: null });
  });

  it('another user starts with nothing of the one before', async () => {
    const client = createTestClient({ alerts: [testAlert('a', {})] });
    client.onPresent(() => {});
    client.receive('a', {});
    await client.identify('bob');
    expect(client.alerts.get()).toEqual([]);
    expect(client.unread.get()).toBe(0);
    expect(client.presented[0]?.presentation.signal.aborted).toBe(true);
  });

  it('readables tell changes only, and each subscription once', () => {
    const client = createTestClient();
    const numbers: number[] = [];
    const listener = (n: number): void => void numbers.push(n);
    const first = client.unread.subscribe(listener);
    client.unread.subscribe(listener);
    client.setUnread(0);
    client.setUnread(2);
    first();
    client.setUnread(3);
    expect(numbers).toEqual([2, 2, 3]);
  });
});

describe('preferences, sound and push', () => {
  it('preferences are merged by category', async () => {
    const client = createTestClient();
    expect(client.preferences.get()).toBeNull();
    await client.preferences.load();
    await client.preferences.set({ categories: { deals: { email: false } } });
    await client.preferences.set({ categories: { deals: { push: false } } });
    expect(client.preferences.get()).toEqual({ default: {}, categories: { deals: { email: false, push: false } } });
  });

  it('push answers what the test chose', async () => {
    const client = createTestClient({ pushAnswer: 'denied' });
    expect(await client.push.enable()).toBe('denied');
    expect(client.push.state.get()).toBe('denied');
  });

  it('sound is off in a presentation when it is switched off or blocked', () => {
    const client = createTestClient();
    client.onPresent(() => {});
    client.receive('a', {});
    client.setSound(false);
    client.receive('a', {});
    client.setSound(true);
    client.setSoundBlocked(true);
    client.receive('a', {});
    expect(client.presented.map((one) => one.presentation.sound)).toEqual([true, false, false]);
  });
});
