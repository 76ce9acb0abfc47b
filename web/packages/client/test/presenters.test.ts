import type { AnyAlert, Presentation } from '@belfry/client';
import { expect, test, vi } from 'vitest';
import { createEvents } from '../src/events.js';
import { createPresenters } from '../src/presenters.js';

type Present = (presentation: Presentation) => void | false | Promise<void>;

const presentation = (kind: string | null): Presentation =>
  ({ alert: kind === null ? null : ({ kind } as AnyAlert), summary: null }) as Presentation;

/** A tab: what is registered with it, and what that answers. */
function tab() {
  let registered: Present | null = null;
  const register = vi.fn((present: Present) => {
    registered = present;
    return () => {
      registered = null;
    };
  });
  return {
    presenters: createPresenters(
      register,
      createEvents(
        undefined,
        () => [],
        () => {},
      ),
    ),
    register,
    bids: () => registered !== null,
    present: (kind: string | null) => registered?.(presentation(kind)),
  };
}

const deals = (alert: AnyAlert): boolean => alert.kind === 'deal-notification';

test('the presenter registered last shows it, the others wait', () => {
  const { presenters, present } = tab();
  const first = vi.fn();
  const second = vi.fn();
  presenters.add(first);
  const remove = presenters.add(second);
  present('deal-notification');
  expect([first.mock.calls.length, second.mock.calls.length]).toEqual([0, 1]);
  remove();
  present('deal-notification');
  expect([first.mock.calls.length, second.mock.calls.length]).toEqual([1, 1]);
});

test('a listener that presents comes first for its alerts, and for no other', () => {
  const { presenters, present } = tab();
  const listener = vi.fn();
  const toasts = vi.fn();
  presenters.add(listener, deals);
  presenters.add(toasts);
  present('deal-notification');
  expect(listener).toHaveBeenCalledTimes(1);
  expect(toasts).not.toHaveBeenCalled();
  present('system-message');
  present(null);
  expect(listener).toHaveBeenCalledTimes(1);
  expect(toasts).toHaveBeenCalledTimes(2);
});

test('of two listeners for one event one presents', () => {
  const { presenters, present } = tab();
  const first = vi.fn();
  const second = vi.fn();
  presenters.add(first, deals);
  presenters.add(second, deals);
  present('deal-notification');
  expect(first).not.toHaveBeenCalled();
  expect(second).toHaveBeenCalledTimes(1);
});

test('what nobody here takes may be shown by another tab', () => {
  const { presenters, present } = tab();
  presenters.add(vi.fn(), deals);
  expect(present('system-message')).toBe(false);
  expect(present(null)).toBe(false);
});

test('one that shows nothing passes it on, in the end to another tab', () => {
  const { presenters, present } = tab();
  const first = vi.fn();
  presenters.add(first);
  presenters.add(() => false);
  const remove = presenters.add(() => false, deals);
  present('deal-notification');
  expect(first).toHaveBeenCalledTimes(1);
  first.mockReturnValue(false);
  expect(present('deal-notification')).toBe(false);
  remove();
});

test('the answer is the presenter’s own', () => {
  const { presenters, present } = tab();
  const pending = Promise.resolve();
  presenters.add(() => pending);
  expect(present('deal-notification')).toBe(pending);
});

test('a tab bids from the first presenter to the last', () => {
  const { presenters, register, bids } = tab();
  expect(bids()).toBe(false);
  const one = presenters.add(vi.fn());
  const two = presenters.add(vi.fn(), deals);
  one();
  expect(bids()).toBe(true);
  two();
  two();
  expect(bids()).toBe(false);
  presenters.add(vi.fn());
  expect(bids()).toBe(true);
  expect(register).toHaveBeenCalledTimes(2);
});
