// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { startBadge } from '../src/attention/badge.js';
import { writable } from '../src/readable.js';

const unread = writable(0, () => {});
const setAppBadge = vi.fn(async () => {});
let end: (() => void) | undefined;

beforeEach(() => {
  document.head.innerHTML = '<title>Shop</title>';
  unread.set(0);
  Object.assign(navigator, { setAppBadge });
  setAppBadge.mockClear();
});
afterEach(() => {
  end?.();
});

describe('the number before the title', () => {
  it('follows the unread number', () => {
    end = startBadge({ title: true }, unread);
    expect(document.title).toBe('Shop');
    unread.set(3);
    expect(document.title).toBe('(3) Shop');
    unread.set(100);
    expect(document.title).toBe('(99+) Shop');
    unread.set(0);
    expect(document.title).toBe('Shop');
  });

  it('survives a router that writes the title', async () => {
    unread.set(3);
    end = startBadge({ title: true }, unread);
    document.title = 'Basket';
    await vi.waitFor(() => expect(document.title).toBe('(3) Basket'));
    document.head.innerHTML = '<title>Orders</title>';
    await vi.waitFor(() => expect(document.title).toBe('(3) Orders'));
    unread.set(4);
    expect(document.title).toBe('(4) Orders');
  });

  it('leaves numbers alone that are the application’s own', () => {
    document.title = '(7) wonders';
    end = startBadge({ title: true }, unread);
    unread.set(2);
    expect(document.title).toBe('(2) (7) wonders');
    unread.set(0);
    expect(document.title).toBe('(7) wonders');
  });

  it('goes when it is called off', async () => {
    unread.set(3);
    startBadge({ title: true }, unread)();
    expect(document.title).toBe('Shop');
    unread.set(4);
    expect(document.title).toBe('Shop');
  });

  it('is left out where it is not wanted', () => {
    unread.set(3);
    end = startBadge({ app: true }, unread);
    expect(document.title).toBe('Shop');
  });
});

describe('the application’s badge', () => {
  it('follows the unread number', () => {
    end = startBadge({ app: true }, unread);
    unread.set(3);
    expect(setAppBadge.mock.calls).toEqual([[0], [3]]);
  });

  it('does no harm where it is refused, or missing', () => {
    setAppBadge.mockRejectedValueOnce(new DOMException('no', 'NotAllowedError'));
    end = startBadge({ app: true }, unread);
    Object.assign(navigator, { setAppBadge: undefined });
    expect(() => unread.set(2)).not.toThrow();
  });

  it('is left out where it is not wanted', () => {
    end = startBadge({ title: true }, unread);
    unread.set(3);
    expect(setAppBadge).not.toHaveBeenCalled();
  });
});
