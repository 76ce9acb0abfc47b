// @vitest-environment happy-dom

import type { BelfryToasts } from '@belfry/elements';
import { BelfryProvider, Bell, Inbox, Toasts, useRealtimeAlerts } from '@belfry/react';
import { createTestClient } from '@belfry/testing';
import { act, createElement, createRef } from 'react';
import { hydrateRoot } from 'react-dom/client';
import { renderToString } from 'react-dom/server';
import { afterEach, expect, test, vi } from 'vitest';
import { mount, probe } from './page.js';

const deal = { deals: [], user_id: 'ann', message: 'One deal' };

afterEach(() => document.body.replaceChildren());

function toasts(): BelfryToasts {
  const found = document.querySelector('belfry-toasts');
  if (found === null) throw new Error('There are no toasts.');
  return found;
}

test('an element gets the client of its provider, and holds it while mounted', async () => {
  const client = createTestClient();
  const page = await mount(client, createElement(Bell));
  const bell = document.querySelector('belfry-bell');
  expect(bell?.client).toBe(client);
  expect(client.holds).toBeGreaterThan(0);
  await page.unmount();
  await vi.waitFor(() => expect(client.holds).toBe(0));
  expect(client.leaks).toEqual({ listeners: 0, presenters: 0, lists: 0 });
});

test('text, numbers and `true` become attributes, functions properties', async () => {
  const client = createTestClient();
  const renderToast = (): null => null;
  const page = await mount(
    client,
    createElement(Toasts, { placement: 'top-end', keep: true, renderToast, id: 'mine' }),
  );
  expect(toasts().getAttribute('placement')).toBe('top-end');
  expect(toasts().hasAttribute('keep')).toBe(true);
  expect(toasts().renderToast).toBe(renderToast);
  expect(toasts().id).toBe('mine');
  await page.show(createElement(Toasts, { keep: false }));
  expect(toasts().hasAttribute('keep')).toBe(false);
  expect(toasts().hasAttribute('placement')).toBe(false);
  await page.show(createElement(Inbox, { limit: 5, filter: 'unread', className: 'wide' }));
  const inbox = document.querySelector('belfry-inbox');
  expect([inbox?.getAttribute('limit'), inbox?.getAttribute('filter'), inbox?.className]).toEqual([
    '5',
    'unread',
    'wide',
  ]);
});

test('events reach the handler of the last render, which may prevent them', async () => {
  const client = createTestClient();
  const first = vi.fn();
  const page = await mount(client, createElement(Toasts, { onPresent: first }));
  const second = vi.fn((event: Event) => event.preventDefault());
  await page.show(createElement(Toasts, { onPresent: second }));
  const alert = await act(async () => client.receive('deal-notification', deal));
  expect(first).not.toHaveBeenCalled();
  expect(second.mock.calls[0]?.[0]).toMatchObject({ type: 'belfry-present', detail: { alert: { id: alert.id } } });
  await page.unmount();
  expect(client.leaks.presenters).toBe(0);
});

test('a reference is the element itself', async () => {
  const ref = createRef<BelfryToasts>();
  const page = await mount(createTestClient(), createElement(Toasts, { ref }));
  expect(ref.current).toBe(toasts());
  await page.unmount();
  expect(ref.current).toBeNull();
});

test('toasts that the page placed stand in for the built-in ones', async () => {
  const client = createTestClient();
  const content = probe(() => useRealtimeAlerts());
  await mount(client, createElement('div', null, createElement(Toasts, { id: 'placed' }), content.element));
  await vi.waitFor(() => expect(client.leaks.presenters).toBe(1));
  await act(async () => client.receive('deal-notification', deal));
  expect(document.querySelectorAll('belfry-toasts')).toHaveLength(1);
  expect(toasts().id).toBe('placed');
});

test('strict mode leaves one hold and one presenter', async () => {
  const client = createTestClient();
  await mount(client, createElement(Toasts), { strict: true });
  expect(client.leaks.presenters).toBe(1);
  expect(client.holds).toBe(1);
});

test('a server’s page is hydrated without a complaint, also where the elements are known before', async () => {
  const errors = vi.spyOn(console, 'error').mockImplementation(() => {});
  const client = createTestClient({ unread: 7, connection: 'live' });
  const initial = { unread: 7 };
  const Unread = probe(() => useRealtimeAlerts({ toast: false }).unread);
  const page = createElement(
    BelfryProvider,
    { client, initial },
    createElement(Bell),
    createElement(Toasts),
    Unread.element,
  );
  const body = document.body.appendChild(document.createElement('main'));
  body.innerHTML = renderToString(page);
  const bell = body.querySelector('belfry-bell');
  await act(async () => {
    hydrateRoot(body, page, { onRecoverableError: (error) => errors(error) });
  });
  expect(errors).not.toHaveBeenCalled();
  expect(body.querySelector('belfry-bell')).toBe(bell);
  expect(bell?.client).toBe(client);
  expect(Unread.last()).toBe(7);
});
