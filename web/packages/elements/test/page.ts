/** What the tests of the elements share: a page with a client, and the way to a part. */

import type { Client } from '@belfry/client';
import { createTestClient, type TestClient, type TestClientInit } from '@belfry/testing';
import { afterEach, beforeEach, vi } from 'vitest';
import { defineBelfryElements, setClient } from '../src/index.js';

/** When the tests happen. */
export const NOW: number = Date.parse('2026-03-04T12:00:00Z');
export const MINUTE = 60_000;
export const DAY = 86_400_000;

/** A clock that stands still, an empty page, and no client: before each test of a file. */
export function freshPage(): void {
  beforeEach(async () => {
    await defineBelfryElements();
    vi.useFakeTimers({ now: NOW });
    document.documentElement.lang = 'en';
  });
  afterEach(async () => {
    document.body.replaceChildren();
    // Elements leave in a microtask.
    await Promise.resolve();
    setClient(null);
    localStorage.clear();
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });
}

/** A client that every element of the page finds. */
export function pageClient(init: TestClientInit = {}): TestClient {
  const client = createTestClient(init);
  setClient(client);
  return client;
}

/** Puts an element on the page. */
export function place<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string>> = {},
  client?: Client,
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (client) Object.assign(element, { client });
  document.body.append(element);
  attend();
  return element;
}

/** Somebody moves the pointer: there is somebody. */
export function attend(): void {
  document.dispatchEvent(new Event('pointermove', { bubbles: true }));
}

/** All parts of this name, in the order of the page. */
export function parts(element: Element, name: string): HTMLElement[] {
  return [...(element.shadowRoot?.querySelectorAll<HTMLElement>(`[part~="${name}"]`) ?? [])];
}

/** The first part of this name; it must be there. */
export function part(element: Element, name: string): HTMLElement {
  const [first] = parts(element, name);
  if (!first) throw new Error(`there is no part \`${name}\``);
  return first;
}

/** Where the toasts are; the element that the page placed stays where it is. */
export function toastRegion(): HTMLElement {
  const region = document.querySelector<HTMLElement>('belfry-toast-region');
  if (!region) throw new Error('there is no region');
  return region;
}

/** Presses a key on a node. */
export function press(node: Element, key: string, more: KeyboardEventInit = {}): KeyboardEvent {
  const event = new KeyboardEvent('keydown', { key, bubbles: true, composed: true, cancelable: true, ...more });
  node.dispatchEvent(event);
  return event;
}

/** Clicks as a pointer does; a keyboard's click has no count. */
export function click(node: Element, more: MouseEventInit = {}): MouseEvent {
  const event = new MouseEvent('click', { bubbles: true, composed: true, cancelable: true, detail: 1, ...more });
  node.dispatchEvent(event);
  return event;
}

/** Lets promises settle. */
export async function settle(): Promise<void> {
  await vi.advanceTimersByTimeAsync(0);
}
