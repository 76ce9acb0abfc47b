// @vitest-environment happy-dom
import { testError } from '@belfry/testing';
import { describe, expect, it, vi } from 'vitest';
import { faceOf, reasonOf } from '../src/connection.js';
import { click, freshPage, NOW, pageClient, part, place, settle } from './page.js';

freshPage();

describe('the words for a connection', () => {
  it.each([
    ['idle', 'none'],
    ['paused', 'none'],
    ['connecting', 'connecting'],
    ['live', 'live'],
    ['catching-up', 'live'],
    ['offline', 'offline'],
    ['stopped', 'offline'],
  ] as const)('%s → %s', (state, face) => {
    expect(faceOf({ state, since: NOW }, 'none', NOW)).toBe(face);
  });

  it('a break under three seconds changes nothing', () => {
    const lost = { state: 'retrying', since: NOW } as const;
    expect(faceOf(lost, 'live', NOW + 2_999)).toBe('live');
    expect(faceOf(lost, 'connecting', NOW + 2_999)).toBe('connecting');
    expect(faceOf(lost, 'live', NOW + 3_000)).toBe('reconnecting');
  });
});

describe('the reason', () => {
  const because = (error: Parameters<typeof testError>): string =>
    reasonOf({ ...pageClient().connection.get(), error: testError(...error) });
  it.each([
    [['user-changed'], 'otherUser'],
    [['token-unavailable'], 'signIn'],
    [['token-expired', { status: 4402 }], 'signIn'],
    [['unauthorized', { status: 401 }], 'signIn'],
    [['connection-lost'], 'unreachable'],
    [['user-blocked', { status: 4501 }], 'unreachable'],
  ] as const)('%o → %s', (error, word) => {
    expect(because([...error] as Parameters<typeof testError>)).toBe(word);
  });

  it('is the network where there is none', () => {
    vi.spyOn(navigator, 'onLine', 'get').mockReturnValue(false);
    expect(because(['connection-lost'])).toBe('noNetwork');
  });
});

it('says nothing to somebody who is not signed in, nor before there is a client', () => {
  const before = place('belfry-connection');
  expect(before.shadowRoot?.textContent).toBe('');
  pageClient({ user: null, connection: 'idle' });
  expect(part(before, 'connection').hidden).toBe(true);
});

it('is a dot without a word while it connects, and Live with three pulses when it is', () => {
  const client = pageClient({ connection: 'connecting' });
  const element = place('belfry-connection');
  expect(part(element, 'text').className).toBe('sr');
  expect(part(element, 'text').textContent).toBe('Connecting');
  client.setConnection('live');
  expect(part(element, 'text').textContent).toBe('Live');
  expect(part(element, 'text').className).toBe('');
  expect(part(element, 'dot').dataset['pulses']).toBe('3');
});

it('pulses once for an alert that comes, and not for an older page', async () => {
  const client = pageClient({ connection: 'live' });
  const element = place('belfry-connection');
  client.receive('job-completed', {}, { title: 'One' });
  vi.advanceTimersByTime(1_000);
  client.receive('job-completed', {}, { title: 'Two' });
  expect(part(element, 'dot').dataset['pulses']).toBe('1');
  const dot = part(element, 'dot');
  client.receive('job-completed', {}, { title: 'Old', createdAt: '2026-01-01T00:00:00Z' });
  expect(part(element, 'dot')).toBe(dot);
});

it('says Reconnecting after three seconds, and Live again', () => {
  const client = pageClient({ connection: 'live' });
  const element = place('belfry-connection');
  client.setConnection({ state: 'retrying', since: Date.now() });
  vi.advanceTimersByTime(2_900);
  expect(part(element, 'text').textContent).toBe('Live');
  vi.advanceTimersByTime(200);
  expect(part(element, 'text').textContent).toBe('Reconnecting…');
  client.setConnection('live');
  expect(part(element, 'text').textContent).toBe('Live');
});

it('a planned restart of two seconds is never mentioned', () => {
  const client = pageClient({ connection: 'live' });
  const element = place('belfry-connection');
  client.setConnection({ state: 'retrying', since: Date.now() });
  vi.advanceTimersByTime(2_000);
  client.setConnection('live');
  vi.advanceTimersByTime(10_000);
  expect(part(element, 'text').textContent).toBe('Live');
});

it('says Offline with a reason, and tries at once when asked', () => {
  const client = pageClient({ connection: { state: 'offline', error: testError('connection-lost') } });
  const element = place('belfry-connection');
  expect(part(element, 'text').textContent).toBe('Offline');
  expect(part(element, 'reason').textContent).toBe('No answer from the server');
  click(part(element, 'retry'));
  expect(client.calls.some(({ method }) => method === 'retryNow')).toBe(true);
  client.setConnection('live');
  expect(part(element, 'retry').hidden).toBe(true);
  expect(part(element, 'reason').textContent).toBe('');
});

it('is a live region only after three seconds, so that a page that opens is not announced', () => {
  pageClient({ connection: 'live' });
  const element = place('belfry-connection');
  expect(element.shadowRoot?.querySelector('[role=status]')).toBeNull();
  vi.advanceTimersByTime(3_000);
  expect(element.shadowRoot?.querySelector('[role=status]')?.textContent).toContain('Live');
});

it('holds the client while it is on the page, and no longer', async () => {
  const client = pageClient();
  const element = place('belfry-connection');
  expect(client.holds).toBe(1);
  element.remove();
  await settle();
  expect(client.holds).toBe(0);
  expect(client.leaks.listeners).toBe(0);
});
