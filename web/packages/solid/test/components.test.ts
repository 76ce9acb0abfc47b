// @vitest-environment happy-dom
import type { BelfryToasts } from '@belfry/elements';
import { Bell, Inbox, Toasts, useRealtimeAlerts } from '@belfry/solid';
import { createTestClient } from '@belfry/testing';
import { createComponent, createSignal, type JSX } from 'solid-js';
import { afterEach, expect, test, vi } from 'vitest';
import { mount } from './page.js';

const deal = { deals: [], user_id: 'ann', message: 'One deal' };

afterEach(() => document.body.replaceChildren());

function toasts(): BelfryToasts {
  const found = document.querySelector('belfry-toasts');
  if (found === null) throw new Error('There are no toasts.');
  return found;
}

test('an element gets the client of its provider, and holds it while mounted', async () => {
  const client = createTestClient();
  const page = mount(client, () => createComponent(Bell, {}));
  expect(document.querySelector('belfry-bell')?.client).toBe(client);
  expect(client.holds).toBeGreaterThan(0);
  page.unmount();
  await vi.waitFor(() => expect(client.holds).toBe(0));
  expect(client.leaks).toEqual({ listeners: 0, presenters: 0, lists: 0 });
});

test('attributes follow their signals, and what is no longer said is not there', () => {
  const [keep, setKeep] = createSignal(true);
  const [placement, setPlacement] = createSignal<string | undefined>('top-end');
  const renderToast = (): null => null;
  mount(createTestClient(), () =>
    createComponent(Toasts, {
      id: 'mine',
      renderToast,
      get keep() {
        return keep();
      },
      get placement() {
        return placement();
      },
    }),
  );
  expect([toasts().id, toasts().getAttribute('placement'), toasts().hasAttribute('keep')]).toEqual([
    'mine',
    'top-end',
    true,
  ]);
  expect(toasts().renderToast).toBe(renderToast);
  setKeep(false);
  setPlacement(undefined);
  expect([toasts().hasAttribute('placement'), toasts().hasAttribute('keep')]).toEqual([false, false]);
});

test('class and numbers arrive', () => {
  mount(createTestClient(), () => createComponent(Inbox, { limit: 5, filter: 'unread', class: 'wide' }));
  const inbox = document.querySelector('belfry-inbox');
  expect([inbox?.getAttribute('limit'), inbox?.getAttribute('filter'), inbox?.className]).toEqual([
    '5',
    'unread',
    'wide',
  ]);
});

test('events reach the handler, which may prevent them', () => {
  const client = createTestClient();
  const present = vi.fn((event: Event) => event.preventDefault());
  const page = mount(client, () => createComponent(Toasts, { onPresent: present }));
  const alert = client.receive('deal-notification', deal);
  expect(present.mock.calls[0]?.[0]).toMatchObject({ type: 'belfry-present', detail: { alert: { id: alert.id } } });
  page.unmount();
});

test('a reference is the element itself', () => {
  let found: BelfryToasts | undefined;
  mount(createTestClient(), () =>
    createComponent(Toasts, {
      ref: (element: BelfryToasts) => {
        found = element;
      },
    }),
  );
  expect(found).toBe(toasts());
});

test('toasts that the page placed stand in for the built-in ones', async () => {
  const client = createTestClient();
  const Page = (): JSX.Element => {
    useRealtimeAlerts();
    return createComponent(Toasts, { id: 'placed' });
  };
  mount(client, () => createComponent(Page, {}));
  await vi.waitFor(() => expect(client.leaks.presenters).toBe(1));
  client.receive('deal-notification', deal);
  expect(document.querySelectorAll('belfry-toasts')).toHaveLength(1);
  expect(toasts().id).toBe('placed');
});
