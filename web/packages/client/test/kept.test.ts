import 'fake-indexeddb/auto';
import { IDBFactory } from 'fake-indexeddb';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
// The lazy chunks are here already: loading them takes time that no fake clock has.
import '../src/history.js';
import { recall } from '../src/history.js';
import type { Client } from '../src/types.js';
import { Online } from './support/online.js';

beforeEach(() => vi.stubGlobal('indexedDB', new IDBFactory()));
afterEach(() => vi.unstubAllGlobals());

const NAME = 'belfry/1//https://shop.example/belfry//ann';

/** IndexedDB answers in tasks of its own. */
async function eventually(net: Online, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let turn = 0; !(await holds()); turn++) {
    if (turn > 200) throw new Error('never');
    await net.clock.settle();
  }
}

const titles = (client: Client): string[] => client.alerts.get().map(({ title }) => title);

describe('a history that was asked for', () => {
  it('is readable at the next visit before anything is connected, and goes on where it stood', async () => {
    const net = new Online();
    const before = await net.live({ history: 'indexeddb' });
    await net.publish({ title: 'kept' });
    before.dispose();
    await eventually(net, async () => (await recall(NAME)) !== undefined);
    net.out = true;
    const client = net.client({ history: 'indexeddb' });
    const caught: string[] = [];
    client.on('deal', ({ title }) => caught.push(title), { replay: 'catch-up' });
    client.connect();
    await eventually(net, () => client.alerts.get().length > 0);
    expect(titles(client)).toEqual(['kept']);
    expect(client.unread.get()).toBe(1);
    net.model.publish({ title: 'missed' });
    net.out = false;
    client.retryNow();
    await eventually(net, () => client.connection.get().state === 'live');
    expect(titles(client)).toEqual(['missed', 'kept']);
    expect(caught).toEqual(['missed']);
    expect(net.asked('GET', 'v1/inbox')).toHaveLength(1);
  });

  it('is gone when its person signs out', async () => {
    const net = new Online();
    const client = await net.live({ history: 'indexeddb' });
    await net.publish();
    await net.clock.advance(500);
    await eventually(net, async () => (await recall(NAME)) !== undefined);
    await client.identify(null);
    await eventually(net, async () => (await recall(NAME)) === undefined);
  });

  it('is none where storage is refused: the client works all the same', async () => {
    vi.stubGlobal('indexedDB', undefined);
    const net = new Online();
    const client = net.client({ history: 'indexeddb' });
    client.connect();
    await eventually(net, () => client.connection.get().state === 'live');
    await net.publish();
    expect(titles(client)).toHaveLength(1);
  });
});

describe('without one', () => {
  it('nothing that an alert says is stored', async () => {
    const net = new Online();
    const client = await net.live();
    await net.publish({ title: 'private words' });
    await net.clock.advance(500);
    client.dispose();
    expect([...net.stored.keys()].some((key) => key.startsWith(NAME))).toBe(true);
    expect(JSON.stringify([...net.stored])).not.toContain('private words');
    expect(await recall(NAME)).toBeUndefined();
  });

  it('a storage that throws is as if there were none', async () => {
    const net = new Online();
    const refuse = (): never => {
      throw new DOMException('denied', 'SecurityError');
    };
    const client = await net.live({ storage: { getItem: refuse, setItem: refuse, removeItem: refuse } });
    await net.publish();
    await net.clock.advance(500);
    expect(titles(client)).toHaveLength(1);
    await client.identify(null);
    expect(net.errors).toEqual([]);
  });
});
