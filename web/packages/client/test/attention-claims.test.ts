import { IDBFactory, IDBKeyRange } from 'fake-indexeddb';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CLAIMS, claim, release } from '../src/attention/claims.js';
import { createRing } from '../src/attention/ring.js';

const DAY = 86_400_000;

describe('claims in the browser’s store', () => {
  beforeEach(() => {
    vi.stubGlobal('indexedDB', new IDBFactory());
    vi.stubGlobal('IDBKeyRange', IDBKeyRange);
  });
  afterEach(() => {
    vi.unstubAllGlobals();
  });
  const kept = (): Promise<unknown[]> =>
    new Promise((resolve, reject) => {
      const request = indexedDB.open(CLAIMS.database);
      request.onerror = () => reject(request.error);
      request.onsuccess = () => {
        const all = request.result.transaction(CLAIMS.store).objectStore(CLAIMS.store).getAll();
        all.onsuccess = () => {
          request.result.close();
          resolve(all.result);
        };
      };
    });

  it('go to one of many that ask at the same time', async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, () => claim('a', 1)));
    expect(answers.filter(Boolean)).toHaveLength(1);
  });

  it('are one per alert', async () => {
    expect(await claim('a', 1)).toBe(true);
    expect(await claim('b', 1)).toBe(true);
    expect(await claim('a', 2)).toBe(false);
  });

  it('that were given back are free again', async () => {
    await claim('a', 1);
    await release('a');
    expect(await claim('a', 2)).toBe(true);
  });

  it('are swept after a day, and not before', async () => {
    await claim('old', 1_000);
    await claim('young', 2_000);
    await claim('new', 1_000 + DAY);
    expect(await kept()).toEqual([
      { id: 'new', at: 1_000 + DAY },
      { id: 'young', at: 2_000 },
    ]);
  });

  it('that fail sweep nothing', async () => {
    await claim('a', 1_000);
    await claim('b', 5_000);
    expect(await claim('b', 1_000 + DAY)).toBe(false);
    expect(await kept()).toHaveLength(2);
  });

  it('reject where nothing may be stored', async () => {
    vi.stubGlobal('indexedDB', {
      open() {
        throw new DOMException('no', 'SecurityError');
      },
    });
    await expect(claim('a', 1)).rejects.toThrow('no');
  });
});

describe('claims where nothing can be stored', () => {
  /** Channels and locks of one browser. */
  const browser = () => {
    const channels = new Set<{ onmessage: ((event: { data: unknown }) => void) | null }>();
    const held = new Set<string>();
    vi.stubGlobal(
      'BroadcastChannel',
      class {
        onmessage: ((event: { data: unknown }) => void) | null = null;
        constructor() {
          channels.add(this);
        }
        postMessage(data: unknown): void {
          for (const other of channels) if (other !== this) other.onmessage?.({ data });
        }
      },
    );
    const request = async (name: string, _: unknown, granted: (lock: unknown) => unknown): Promise<void> => {
      if (held.has(name)) {
        granted(null);
        return;
      }
      held.add(name);
      await granted({});
      held.delete(name);
    };
    vi.stubGlobal('navigator', { locks: { request } });
  };
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.useRealTimers();
  });

  it('go to one tab', async () => {
    vi.useFakeTimers();
    browser();
    const tabs = [createRing(), createRing(), createRing()];
    expect((await Promise.all(tabs.map((ring) => ring('a')))).filter(Boolean)).toHaveLength(1);
  });

  it('are not doubled by a tab that hung until the lock was free', async () => {
    vi.useFakeTimers();
    browser();
    const [first, late] = [createRing(), createRing()];
    expect(await first('a')).toBe(true);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(await late('a')).toBe(false);
  });

  it('are those of a single tab where there are neither locks nor channels', async () => {
    vi.stubGlobal('navigator', {});
    vi.stubGlobal('BroadcastChannel', undefined);
    const ring = createRing();
    expect([await ring('a'), await ring('a')]).toEqual([true, false]);
  });

  it('are those of a single tab where locks are refused', async () => {
    vi.stubGlobal('BroadcastChannel', undefined);
    const request = () => Promise.reject(new DOMException('no', 'SecurityError'));
    vi.stubGlobal('navigator', { locks: { request } });
    const ring = createRing();
    expect([await ring('a'), await ring('a')]).toEqual([true, false]);
  });
});
