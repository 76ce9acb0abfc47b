// @vitest-environment happy-dom
import { createTestClient } from '@belfry/testing';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { BelfryBell } from '../src/index.js';
import { click, part } from './page.js';

/** The network, for the inbox and the panel around it. */
function network(code: () => Promise<unknown>): void {
  vi.doMock('../src/later-elements.js', async () => {
    loads++;
    await code();
    return vi.importActual('../src/later-elements.js');
  });
}
let loads = 0;
let bell: BelfryBell;
let pages = 0;

beforeEach(async () => {
  loads = 0;
  vi.resetModules();
  const { BelfryBell: Bell } = await import('../src/bell.js');
  const tag = `belfry-bell-${++pages}`;
  customElements.define(tag, class extends Bell {});
  bell = document.createElement(tag) as BelfryBell;
  bell.client = createTestClient({ unread: 1 });
});
afterEach(() => document.body.replaceChildren());

const expanded = (): string | null => part(bell, 'button').getAttribute('aria-expanded');
const isOpen = (): Promise<void> => vi.waitFor(() => expect(expanded()).toBe('true'));

it('a click while the inbox is loading opens it when it comes, and so do two', async () => {
  let arrive = (): void => {};
  const code = new Promise<void>((resolve) => {
    arrive = resolve;
  });
  network(() => code);
  document.body.append(bell);
  click(part(bell, 'button'));
  click(part(bell, 'button'));
  expect(expanded()).toBe('false');
  arrive();
  await isOpen();
  click(part(bell, 'button'));
  expect(expanded()).toBe('false');
});

it('where the network fails it nothing opens, the number stays, and the next click loads it', async () => {
  network(() => Promise.reject(new TypeError('no network')));
  document.body.append(bell);
  click(part(bell, 'button'));
  await vi.waitFor(() => expect(loads).toBe(1));
  expect(expanded()).toBe('false');
  expect(part(bell, 'badge').textContent).toBe('1');
  network(() => Promise.resolve());
  click(part(bell, 'button'));
  await isOpen();
});
