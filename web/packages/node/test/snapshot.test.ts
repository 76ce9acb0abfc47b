import { expect, it } from 'vitest';
import { createPublisher } from '../src/index.js';
import { type BelfryServer, startBelfry } from './support/belfry.js';

async function change(belfry: BelfryServer, ids: readonly string[], state: string): Promise<void> {
  const answer = await fetch(`${belfry.url}/v1/inbox/state`, {
    method: 'POST',
    headers: { authorization: `Bearer ${belfry.token('ann')}`, 'content-type': 'application/json' },
    body: JSON.stringify({ ids, state }),
  });
  expect(answer.status).toBe(200);
}

it('a snapshot is what the inbox shows: newest first, both streams, the server’s number', async () => {
  const belfry = await startBelfry();
  const publisher = createPublisher(belfry);
  await publisher.putUser('ann', {});
  const first = await publisher.publishAlert('ann', { kind: 'note', data: { n: 1 }, link: '/one' });
  await publisher.broadcastToAll({ kind: 'system-message', data: { message: 'hello', severity: 'info' } });
  const third = await publisher.publishAlert('ann', { kind: 'note', data: { n: 3 } });
  const fourth = await publisher.publishAlert('ann', { kind: 'note', data: { n: 4 } });
  const recalled = await publisher.publishAlert('ann', { kind: 'note', data: { n: 5 } });
  await publisher.publishAlert('bob', { kind: 'note', data: { n: 6 } });
  await publisher.recall(recalled.id);
  await change(belfry, [first.id], 'read');
  await change(belfry, [third.id], 'archived');

  const token = belfry.token('ann');
  const snapshot = await publisher.snapshot('ann', { token });
  expect(snapshot.unread).toBe(2);
  expect(snapshot.alerts?.map((alert) => [alert.kind, alert.stream, alert.state.read])).toEqual([
    ['note', 'user', false],
    ['system-message', 'all', false],
    ['note', 'user', true],
  ]);
  expect(snapshot.alerts?.[0]).toEqual({
    id: fourth.id,
    kind: 'note',
    data: { n: 4 },
    title: 'Note',
    body: null,
    severity: 'info',
    category: 'note',
    link: null,
    image: null,
    actions: [],
    thread: null,
    createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
    expiresAt: null,
    quiet: false,
    stream: 'user',
    seq: 3,
    state: { seen: false, read: false, archived: false, acted: false },
  });
  expect((await publisher.snapshot('ann', { token, limit: 1 })).alerts).toHaveLength(1);
  expect(await publisher.snapshot('ann')).toEqual({ unread: 2 });
});

it('of somebody nobody knows it is empty', async () => {
  const publisher = createPublisher(await startBelfry());
  expect(await publisher.snapshot('nobody')).toEqual({ unread: 0, alerts: [] });
});

it('a token that is none is refused, and never replaced by the key', async () => {
  const publisher = createPublisher(await startBelfry());
  await publisher.putUser('ann', {});
  await expect(publisher.snapshot('ann', { token: 'none' })).rejects.toMatchObject({ code: 'unauthorized' });
});
