// @vitest-environment happy-dom
import { createTestClient, type TestClient } from '@belfry/testing';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { BelfryToasts } from '../src/index.js';
import { attend, click, part, parts, press, toastRegion as region, settle } from './page.js';

/** The network, for what toasts load beside the connection. */
let loads = 0;
function network(code: () => Promise<unknown>): void {
  vi.doMock('../src/toasts/later.js', async () => {
    loads++;
    await code();
    return vi.importActual('../src/toasts/later.js');
  });
}

let client: TestClient;
let toasts: BelfryToasts;
let arrive = (): void => {};
let pages = 0;

/** A page that has nothing but the toasts. */
beforeEach(async () => {
  loads = 0;
  const code = new Promise<void>((resolve) => {
    arrive = resolve;
  });
  vi.resetModules();
  network(() => code);
  const { BelfryToasts: Toasts } = await import('../src/toasts/toasts.js');
  const tag = `belfry-toasts-${++pages}`;
  customElements.define(tag, class extends Toasts {});
  vi.useFakeTimers();
  client = createTestClient();
  toasts = document.createElement(tag) as BelfryToasts;
});
afterEach(() => {
  document.body.replaceChildren();
  vi.useRealTimers();
});

function place(attributes: Readonly<Record<string, string>> = {}): void {
  for (const [name, value] of Object.entries(attributes)) toasts.setAttribute(name, value);
  toasts.client = client;
  document.body.append(toasts);
  attend();
}
const titles = (): (string | null)[] => parts(region(), 'toast').map((toast) => toast.getAttribute('aria-label'));
const label = (): string | null => part(region(), 'region').getAttribute('aria-label');
const loaded = (): Promise<void> => vi.waitFor(() => expect(label()).toContain('F8'));
/** A module that failed is asked for anew, which takes the loader more than a microtask. */
const asked = (times: number): Promise<void> => vi.waitFor(() => expect(loads).toBe(times));

it('a toast waits for nothing: it is seen, heard and counts as shown while the rest is on its way', async () => {
  place();
  client.receive('job-completed', {}, { title: 'Import done', body: '412 items', link: '/jobs' });
  client.receive('exposure-detected', {}, { title: 'Leak', severity: 'critical' });
  expect(titles()).toEqual(['Import done', 'Leak']);
  expect(part(region(), 'polite').textContent).toBe('Import done. 412 items');
  expect(part(region(), 'assertive').textContent).toBe('Leak');
  expect(client.presented.map(({ outcome }) => outcome)).toEqual(['shown', 'shown']);
  expect(part(region(), 'title').getAttribute('href')).toBe('/jobs');
  await asked(1);
});

it('until then it stays, it can be opened and closed, and leaves when it was read elsewhere', () => {
  place();
  const told: unknown[] = [];
  toasts.addEventListener('belfry-dismiss', (event) => told.push(event.detail.reason));
  for (const title of ['One', 'Two', 'Three']) client.receive('job-completed', {}, { title, link: '/jobs' });
  const [one, two] = parts(region(), 'toast');
  vi.advanceTimersByTime(60_000);
  expect(titles()).toEqual(['One', 'Two', 'Three']);
  expect(click(one?.querySelector('[part=title]') ?? document.body).defaultPrevented).toBe(true);
  expect(client.presented[0]?.opened).toBe(true);
  click(two?.querySelector('[part=close]') ?? document.body);
  expect(client.presented[1]?.dismissed).toBe('user');
  expect(told.at(-1)).toBe('user');
  client.leave(client.presented[2]?.alert?.id ?? '');
  expect(titles()).toEqual([]);
});

it('what comes later minds those that stand there: actions, order, keys, time', async () => {
  place({ placement: 'top-end' });
  const actions = [{ id: 'undo', label: 'Undo' }];
  client.receive('job-completed', {}, { title: 'One', actions });
  client.receive('job-completed', {}, { title: 'Two' });
  expect(parts(region(), 'action')).toHaveLength(0);
  expect(label()).toBe('Notifications');
  arrive();
  await loaded();
  expect(parts(region(), 'action').map((button) => button.textContent)).toEqual(['Undo']);
  expect(titles()).toEqual(['Two', 'One']);
  press(document.body, 'F8');
  press(region().shadowRoot?.activeElement ?? document.body, 'Escape');
  expect(titles()).toEqual(['One']);
  (region().shadowRoot?.activeElement as HTMLElement | null)?.blur();
  attend();
  vi.advanceTimersByTime(10_000);
  expect(titles()).toEqual([]);
  expect(client.presented[0]?.dismissed).toBe('timeout');
});

it('what the network fails loses no toast and throws nothing, and the next toast asks for it again', async () => {
  const fault = vi.fn();
  window.addEventListener('unhandledrejection', fault);
  network(() => Promise.reject(new TypeError('no network')));
  place();
  await asked(1);
  await settle();
  client.receive('job-completed', {}, { title: 'One' });
  expect(titles()).toEqual(['One']);
  await asked(2);
  await settle();
  expect(label()).toBe('Notifications');
  network(() => Promise.resolve());
  client.receive('job-completed', {}, { title: 'Two' });
  expect(titles()).toEqual(['One', 'Two']);
  await loaded();
  client.receive('job-completed', {}, { title: 'Three' });
  client.receive('job-completed', {}, { title: 'Four' });
  expect(titles()).toEqual(['4 new alerts']);
  expect(fault).not.toHaveBeenCalled();
  window.removeEventListener('unhandledrejection', fault);
});

it('without it a summary still says how many', () => {
  place();
  client.summarize(12, 'away');
  expect(titles()).toEqual(['Notifications: 12']);
});

it('an element that leaves meanwhile is minded by nobody', async () => {
  place();
  await asked(1);
  toasts.remove();
  await settle();
  arrive();
  await settle();
  expect(client.leaks).toEqual({ listeners: 0, presenters: 0, lists: 0 });
  expect(press(document.body, 'F8').defaultPrevented).toBe(false);
});
