// @vitest-environment happy-dom
import { expect, it } from 'vitest';
import { click, freshPage, NOW, pageClient, part, parts, place, settle, toastRegion } from './page.js';

freshPage();

it('shows what concerns everyone, and is dismissed on every device at once', async () => {
  const client = pageClient();
  const banner = place('belfry-announcement');
  expect(parts(banner, 'announcement')).toHaveLength(0);
  const { id } = client.receive(
    'system-message',
    {},
    { title: 'Maintenance', body: 'At ten.', severity: 'warning', stream: 'all' },
  );
  expect(part(banner, 'words').textContent).toBe('MaintenanceAt ten.');
  expect(part(banner, 'announcement').dataset['severity']).toBe('warning');
  click(part(banner, 'close'));
  await settle();
  expect(client.alerts.get().find((alert) => alert.id === id)?.state.read).toBe(true);
  expect(parts(banner, 'announcement')).toHaveLength(0);
});

it('is as grave as its data say', () => {
  const client = pageClient();
  const banner = place('belfry-announcement');
  client.receive('system-message', { severity: 'error' }, { title: 'Outage' });
  expect(part(banner, 'announcement').dataset['severity']).toBe('critical');
  client.receive('system-message', { severity: 'info' }, { title: 'Hello', severity: 'critical' });
  expect(part(banner, 'announcement').dataset['severity']).toBe('info');
});

it('goes when it was dismissed on another device', () => {
  const client = pageClient();
  const banner = place('belfry-announcement');
  const { id } = client.receive('system-message', {}, { title: 'Maintenance' });
  client.changeElsewhere(id, { read: true });
  expect(parts(banner, 'announcement')).toHaveLength(0);
});

it('is heard: its live region is there before the words', () => {
  pageClient();
  const banner = place('belfry-announcement');
  expect(banner.shadowRoot?.querySelector('[role=status]')?.childElementCount).toBe(0);
});

it('keeps the toast of what it shows away, and no other', () => {
  const client = pageClient();
  place('belfry-announcement');
  place('belfry-toasts');
  client.receive('system-message', {}, { title: 'Maintenance' });
  client.receive('job-completed', {}, { title: 'Done' });
  expect(parts(toastRegion(), 'toast').map((toast) => toast.getAttribute('aria-label'))).toEqual(['Done']);
  expect(client.presented.map(({ outcome }) => outcome)).toEqual(['shown', 'shown']);
});

it('shows other kinds where the page says so, and nothing that is over', () => {
  const client = pageClient();
  const banner = place('belfry-announcement', { kinds: 'outage' });
  client.receive('system-message', {}, { title: 'Maintenance' });
  client.receive('outage', {}, { title: 'Over', expiresAt: new Date(NOW - 1).toISOString() });
  expect(parts(banner, 'announcement')).toHaveLength(0);
  client.receive('outage', {}, { title: 'Down', link: '/status' });
  expect(part(banner, 'title').getAttribute('href')).toBe('/status');
});
