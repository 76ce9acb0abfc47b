// @vitest-environment happy-dom
import { createTestClient, testAlert } from '@belfry/testing';
import { describe, expect, it, vi } from 'vitest';
import type { BelfryInbox } from '../src/inbox.js';
import { click, freshPage, NOW, pageClient, part, parts, place, press, settle, toastRegion } from './page.js';

freshPage();

describe('the badge', () => {
  it('is the server’s number, 99+ above, and nothing for none', () => {
    const client = pageClient({ unread: 0 });
    const bell = place('belfry-bell');
    expect(part(bell, 'badge').hidden).toBe(true);
    client.setUnread(3);
    expect(part(bell, 'badge').textContent).toBe('3');
    expect(part(bell, 'badge').hidden).toBe(false);
    client.setUnread(99);
    expect(part(bell, 'badge').textContent).toBe('99');
    client.setUnread(100);
    expect(part(bell, 'badge').textContent).toBe('99+');
  });

  it('is part of the name, and a change is not announced', () => {
    const client = pageClient({ unread: 1 });
    const bell = place('belfry-bell');
    expect(part(bell, 'button').getAttribute('aria-label')).toBe('Notifications, 1 unread');
    client.setUnread(1_234);
    expect(part(bell, 'button').getAttribute('aria-label')).toBe('Notifications, 1,234 unread');
    expect(bell.shadowRoot?.querySelector('[aria-live],[role=status],[role=alert]')).toBeNull();
  });

  it('moves when the number grows, not when the page opens or it falls', () => {
    const client = pageClient({ unread: 3 });
    const bell = place('belfry-bell');
    expect(part(bell, 'badge').classList).not.toContain('bump');
    client.setUnread(4);
    expect(part(bell, 'badge').classList).toContain('bump');
    client.setUnread(2);
    expect(part(bell, 'badge').classList).not.toContain('bump');
  });
});

it('nobody who is signed out sees a bell', async () => {
  const client = pageClient({ user: null, connection: 'idle' });
  const bell = place('belfry-bell');
  expect(part(bell, 'button').hidden).toBe(true);
  await client.identify('ann');
  expect(part(bell, 'button').hidden).toBe(false);
});

it('a crescent says that it is quiet, and until when', () => {
  const until = new Date(NOW + 20 * 3_600_000);
  const client = pageClient({ unread: 2 });
  const bell = place('belfry-bell');
  expect(part(bell, 'crescent').hidden).toBe(true);
  void client.setDoNotDisturb({ until });
  expect(part(bell, 'crescent').hidden).toBe(false);
  const time = until.toLocaleTimeString('en', { hour: '2-digit', minute: '2-digit' }).toLowerCase();
  expect(part(bell, 'button').getAttribute('aria-label')).toBe(
    `Notifications, 2 unread, Do not disturb, until ${time}`,
  );
});

describe('the panel', () => {
  it('is a named dialog with inbox and switches, made when it is opened', async () => {
    pageClient();
    const bell = place('belfry-bell');
    const button = part(bell, 'button');
    expect(parts(bell, 'inbox')).toHaveLength(0);
    expect(button.getAttribute('aria-expanded')).toBe('false');
    click(button);
    expect(button.getAttribute('aria-expanded')).toBe('true');
    expect(part(bell, 'panel').getAttribute('role')).toBe('dialog');
    expect(part(bell, 'panel').getAttribute('aria-label')).toBe('Notifications');
    expect(bell.shadowRoot?.activeElement).toBe(part(bell, 'panel'));
    const tags = [...part(bell, 'panel').querySelectorAll('*')].map((node) => node.localName);
    expect(tags).toEqual(expect.arrayContaining(['belfry-inbox', 'belfry-do-not-disturb', 'belfry-sound']));
  });

  it('is closed by the bell and by Escape, and gives the focus back', async () => {
    const client = pageClient();
    const bell = place('belfry-bell');
    click(part(bell, 'button'));
    click(part(bell, 'button'));
    expect(part(bell, 'button').getAttribute('aria-expanded')).toBe('false');
    bell.reveal();
    press(part(bell, 'panel'), 'Escape');
    expect(part(bell, 'button').getAttribute('aria-expanded')).toBe('false');
    expect(bell.shadowRoot?.activeElement).toBe(part(bell, 'button'));
    await settle();
    expect(client.leaks.lists).toBe(0);
    expect(client.holds).toBe(1);
  });

  it('uses the bell’s own client', () => {
    const page = pageClient({ unread: 1 });
    const own = createTestClient({ unread: 2 });
    const bell = place('belfry-bell', {}, own);
    bell.reveal();
    expect((part(bell, 'inbox') as BelfryInbox).client).toBe(own);
    expect(page.leaks.lists).toBe(0);
    expect(own.leaks.lists).toBe(1);
  });

  it('goes with the bell, and gives back what it held', async () => {
    const client = pageClient();
    const bell = place('belfry-bell');
    bell.reveal();
    bell.remove();
    await settle();
    expect(client.leaks).toEqual({ listeners: 0, presenters: 0, lists: 0 });
    expect(client.holds).toBe(0);
    document.body.append(bell);
    expect(part(bell, 'button').getAttribute('aria-expanded')).toBe('false');
  });

  it('stays closed for a toast of another client', () => {
    const other = createTestClient();
    pageClient();
    const bell = place('belfry-bell');
    place('belfry-toasts', {}, other);
    other.summarize(3, 'away');
    click(part(toastRegion(), 'title'));
    expect(part(bell, 'button').getAttribute('aria-expanded')).toBe('false');
  });

  it('opens for a toast that stands for several', () => {
    const client = pageClient();
    const bell = place('belfry-bell');
    place('belfry-toasts');
    client.summarize(3, 'away');
    click(part(toastRegion(), 'title'));
    expect(part(bell, 'button').getAttribute('aria-expanded')).toBe('true');
  });

  it('stays closed where the application shows its own inbox', () => {
    const client = pageClient();
    const bell = place('belfry-bell');
    place('belfry-toasts').addEventListener('belfry-inbox', (event) => event.preventDefault());
    client.summarize(3, 'away');
    click(part(toastRegion(), 'title'));
    expect(part(bell, 'button').getAttribute('aria-expanded')).toBe('false');
  });

  it('opening it reads nothing', async () => {
    const alert = testAlert('job-completed', {}, { title: 'One' });
    const client = pageClient({ alerts: [alert as never] });
    place('belfry-bell').reveal();
    vi.advanceTimersByTime(5_000);
    await settle();
    expect(client.calls.some(({ method }) => method === 'markRead')).toBe(false);
    expect(client.unread.get()).toBe(1);
  });
});
