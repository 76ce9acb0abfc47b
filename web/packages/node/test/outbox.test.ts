import { afterEach, describe, expect, it, vi } from 'vitest';
import { type CompatOptions, createCompat, createWebSocketMessage } from '../src/compat.js';
import { createPublisher } from '../src/index.js';
import { freePort } from './support/application.js';
import { type BelfryServer, startBelfry } from './support/belfry.js';
import { problem, startScripted } from './support/scripted.js';

/** A house whose next try is made by the test, not by time. */
function houseOf(belfry: { url: string; apiKey: string }, more: CompatOptions = {}) {
  const said: string[] = [];
  const waits: number[] = [];
  let due: (() => void) | null = null;
  const publisher = createPublisher({ url: belfry.url, apiKey: belfry.apiKey, retries: 0 });
  const house = createCompat({
    env: { NODE_ENV: 'production' },
    log: (message) => said.push(message),
    publisher,
    random: () => 1,
    clock: {
      setTimeout: (run, ms) => {
        waits.push(ms);
        due = run;
        return run;
      },
      clearTimeout: () => {
        due = null;
      },
    },
    ...more,
  });
  const settled = (): Promise<unknown> => vi.waitUntil(() => due !== null, { timeout: 10_000 });
  return {
    ...house,
    publisher,
    said,
    waits,
    /** Belfry was asked in vain, and the next try waits. */
    settled,
    tryAgain: () => {
      const run = due;
      due = null;
      run?.();
    },
  };
}

const note = (n: number) => ({ kind: 'note', data: { n } });

async function numbersOf(belfry: BelfryServer, user: string): Promise<number[]> {
  const answer = await fetch(`${belfry.url}/v1/inbox?limit=100`, {
    headers: { authorization: `Bearer ${belfry.token(user)}` },
  });
  const page = (await answer.json()) as { items: { data: { n: number } }[] };
  return page.items.map((item) => item.data.n).reverse();
}

async function unreadOf(belfry: BelfryServer, wanted: number): Promise<void> {
  const publisher = createPublisher(belfry);
  await vi.waitUntil(async () => (await publisher.snapshot('ann')).unread === wanted, {
    timeout: 20_000,
    interval: 20,
  });
}

const rejections: unknown[] = [];
process.on('unhandledRejection', (reason) => rejections.push(reason));
afterEach(() => {
  expect(rejections).toEqual([]);
});

describe('what is published without waiting', () => {
  it('arrives in order, to persons, groups and everyone', async () => {
    const belfry = await startBelfry();
    const { alertPublisher, websocketService, publisher } = houseOf(belfry);
    await publisher.putGroup('family-7', ['ann']);
    expect(alertPublisher.publishAlert('ann', note(1))).toBeUndefined();
    alertPublisher.publishAlert(['ann', 'bob'], note(2));
    alertPublisher.publishToGroup('family-7', note(3));
    alertPublisher.publishToGroup(['bob', 'ann'], note(4));
    websocketService.broadcastToUser('ann', { type: 'note', data: { n: 5 }, timestamp: '' });
    websocketService.broadcastToAll({ type: 'note', data: { n: 6 }, timestamp: '' });
    await unreadOf(belfry, 6);
    expect(await numbersOf(belfry, 'ann')).toEqual([1, 2, 3, 4, 5, 6]);
    expect(await numbersOf(belfry, 'bob')).toEqual([2, 4, 6]);
  });

  it('is not lost in a loop that is faster than the network', async () => {
    const belfry = await startBelfry();
    const { alertPublisher, said } = houseOf(belfry);
    for (let n = 0; n < 1_200; n += 1) alertPublisher.publishAlert('ann', note(n));
    await unreadOf(belfry, 1_200);
    expect(said).toEqual([]);
  });

  it('with the id of a stored notification is the same one however often it is published', async () => {
    const belfry = await startBelfry();
    const { websocketService } = houseOf(belfry);
    const data = { notification_id: 'n-7', deals: [], user_id: 'ann', message: 'a deal' };
    websocketService.broadcastDealNotification('ann', data);
    websocketService.broadcastDealNotification('ann', data);
    websocketService.broadcastSystemMessage({ message: 'hello', severity: 'info' });
    await unreadOf(belfry, 2);
  });
});

describe('while Belfry is away', () => {
  it('alerts wait, nothing throws, and it is said once; then all arrive, once, in order', async () => {
    const belfry = await startBelfry();
    const { alertPublisher, said, settled, tryAgain, waits } = houseOf(belfry);
    await belfry.stop();
    alertPublisher.publishAlert('ann', note(1));
    await settled();
    alertPublisher.publishAlert('ann', note(2));
    tryAgain();
    await settled();
    alertPublisher.publishAlert('ann', note(3));
    expect(said).toEqual([expect.stringContaining('Belfry is away')]);
    expect(waits).toEqual([1_000, 2_000]);
    await belfry.start();
    tryAgain();
    await unreadOf(belfry, 3);
    expect(await numbersOf(belfry, 'ann')).toEqual([1, 2, 3]);
    await vi.waitUntil(() => said.length === 2);
    expect(said[1]).toBe('Belfry is back');
  });

  it('waits grow to thirty seconds and no further', async () => {
    const { alertPublisher, settled, tryAgain, waits } = houseOf({
      url: `http://127.0.0.1:${await freePort()}`,
      apiKey: 'k',
    });
    alertPublisher.publishAlert('ann', note(1));
    for (let tries = 0; tries < 6; tries += 1) {
      await settled();
      tryAgain();
    }
    await settled();
    expect(waits).toEqual([1_000, 2_000, 5_000, 10_000, 30_000, 30_000, 30_000]);
  });

  it('only so many wait: the newest are kept', async () => {
    const belfry = await startBelfry();
    const { alertPublisher, said, settled, tryAgain } = houseOf(belfry, { limits: { away: 3, burst: 100 } });
    await belfry.stop();
    alertPublisher.publishAlert('ann', note(0));
    await settled();
    for (let n = 1; n <= 5; n += 1) alertPublisher.publishAlert('ann', note(n));
    await belfry.start();
    tryAgain();
    await unreadOf(belfry, 3);
    expect(await numbersOf(belfry, 'ann')).toEqual([3, 4, 5]);
    await vi.waitUntil(() => said.length === 3);
    expect(said[1]).toContain('the oldest are dropped');
    expect(said[2]).toBe('Belfry is back; 3 of the oldest had to be dropped');
  });

  it('exactly as many as may wait are kept', async () => {
    const belfry = await startBelfry();
    const { alertPublisher, said, settled, tryAgain } = houseOf(belfry, { limits: { away: 3, burst: 100 } });
    await belfry.stop();
    alertPublisher.publishAlert('ann', note(0));
    await settled();
    for (let n = 1; n <= 2; n += 1) alertPublisher.publishAlert('ann', note(n));
    await belfry.start();
    tryAgain();
    await unreadOf(belfry, 3);
    await vi.waitUntil(() => said.length === 2);
    expect(said[1]).toBe('Belfry is back');
  });

  it('a wrong key loses nothing: somebody will correct it', async () => {
    const server = await startScripted(problem(401, 'unauthorized'), {
      status: 200,
      body: '{"line":1,"status":202,"alert":{}}\n',
    });
    const { alertPublisher, settled, tryAgain } = houseOf({ url: server.url, apiKey: 'k' });
    alertPublisher.publishAlert('ann', note(1));
    await settled();
    tryAgain();
    await vi.waitUntil(() => server.got.length === 2);
    expect(server.got[1]?.body).toBe(server.got[0]?.body);
  });

  it('a fault of the server is not repeated for ever', async () => {
    const server = await startScripted(problem(500, 'internal'));
    const { alertPublisher, said, settled, tryAgain } = houseOf({ url: server.url, apiKey: 'k' });
    alertPublisher.publishAlert('ann', note(1));
    for (let tries = 0; tries < 4; tries += 1) {
      await settled();
      tryAgain();
    }
    await vi.waitUntil(() => said.some((line) => line.includes('refused an alert of kind `note` (internal)')));
    expect(server.got).toHaveLength(5);
  });
});

it('a refused alert is said with its faults, and does not stop the next', async () => {
  const belfry = await startBelfry();
  const { websocketService, alertPublisher, said } = houseOf(belfry);
  websocketService.broadcastToUser('ann', createWebSocketMessage.error({ message: 'nobody publishes this' }));
  alertPublisher.publishAlert('ann', note(1));
  await unreadOf(belfry, 1);
  expect(said).toEqual([expect.stringMatching(/kind `error` \(kind-reserved\).*\/kind/)]);
});

describe('shutdown', () => {
  it('publishes what waits before it resolves', async () => {
    const belfry = await startBelfry();
    const { alertPublisher, websocketService } = houseOf(belfry);
    for (let n = 0; n < 700; n += 1) alertPublisher.publishAlert('ann', note(n));
    await websocketService.shutdown();
    expect((await createPublisher(belfry).snapshot('ann')).unread).toBe(700);
  });

  it('says how many it could not publish, and does not wait for ever', async () => {
    const { alertPublisher, websocketService, said } = houseOf({
      url: `http://127.0.0.1:${await freePort()}`,
      apiKey: 'k',
    });
    alertPublisher.publishAlert('ann', note(1));
    await websocketService.shutdown();
    expect(said.at(-1)).toContain('1 alerts were not published');
  });
});

it('messages carry type, data and the time in UTC', () => {
  const message = createWebSocketMessage.systemMessage({ message: 'hello', severity: 'warning' });
  expect(message).toMatchObject({ type: 'system-message', data: { message: 'hello', severity: 'warning' } });
  expect(message.timestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  expect(createWebSocketMessage.dealNotification({ deals: [], user_id: 'a', message: 'm' }).type).toBe(
    'deal-notification',
  );
  expect(createWebSocketMessage.error({ message: 'm' }).type).toBe('error');
});
