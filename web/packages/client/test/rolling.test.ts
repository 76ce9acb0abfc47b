/** Nodes that are started anew one after the other: nobody is early, and nobody comes with the others. */

import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Client } from '../src/types.js';
import { Online } from './support/online.js';

const page = new EventTarget();
const shown = Object.assign(new EventTarget(), { visibilityState: 'visible', hasFocus: () => true });
beforeEach(() => {
  vi.stubGlobal('window', page);
  vi.stubGlobal('document', shown);
});
const clients: Client[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.dispose();
  vi.unstubAllGlobals();
});

async function live(net: Online, random = 0.5): Promise<Client> {
  const client = await net.live({ random: () => random });
  clients.push(client);
  return client;
}
/** What a node says before it ends. */
function drain(net: Online, afterMs: number): void {
  net.socket.say({ type: 'going-away', data: { reconnect_after_ms: afterMs }, timestamp: '2026-03-04T12:00:00Z' });
  net.socket.end(4000, 'going-away');
}

it('whoever is told when to come back comes then, whatever happens on the page, and misses nothing', async () => {
  const net = new Online();
  const client = await live(net);
  drain(net, 8_000);
  await net.publish({ title: 'meanwhile' });
  for (const type of ['online', 'focus', 'pageshow']) page.dispatchEvent(new Event(type));
  for (const type of ['resume', 'visibilitychange']) shown.dispatchEvent(new Event(type));
  await net.clock.advance(7_999);
  expect(net.sockets).toHaveLength(1);
  expect(client.connection.get()).toMatchObject({ state: 'retrying', retryAt: net.clock.now() + 1 });
  await net.clock.advance(1);
  expect(net.sockets).toHaveLength(2);
  await net.until(client, 'live');
  expect(client.alerts.get().map(({ title }) => title)).toEqual(['meanwhile']);
});

it('the notice counts also where a proxy ends the connection in its own way', async () => {
  const net = new Online();
  await live(net);
  net.socket.say({ type: 'going-away', data: { reconnect_after_ms: 8_000 }, timestamp: '2026-03-04T12:00:00Z' });
  net.socket.end(1006);
  await net.clock.advance(7_999);
  expect(net.sockets).toHaveLength(1);
  await net.clock.advance(1);
  expect(net.sockets).toHaveLength(2);
});

it.each([0.1, 0.5, 0.9])('while nothing listens, each one waits its own part of growing waits (%d)', async (random) => {
  const net = new Online();
  const client = await live(net, random);
  drain(net, 8_000);
  net.out = true;
  await net.clock.advance(8_000);
  for (const rung of [2_000, 5_000, 10_000, 30_000]) {
    const dialed = net.sockets.length;
    await net.clock.advance(rung * random - 1);
    expect(net.sockets).toHaveLength(dialed);
    await net.clock.advance(1);
    expect(net.sockets).toHaveLength(dialed + 1);
  }
  net.out = false;
  await net.clock.advance(30_000 * random);
  await net.until(client, 'live');
});
