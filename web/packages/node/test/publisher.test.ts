import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { BelfryError, createPublisher, type Publisher, type PublisherOptions } from '../src/index.js';
import { startBelfry } from './support/belfry.js';
import { problem, type ScriptedServer, type Step, startScripted, startScriptedAt } from './support/scripted.js';
import { noWaiting } from './support/waits.js';

const deal = {
  kind: 'deal-notification',
  data: {
    deals: [{ item_name: 'Oat milk', best_price_in_cents: 149, store_name: 'Corner Market', store_id: 12 }],
    user_id: 'ann',
    message: '1 deal on your list',
  },
};

const accepted = {
  id: '019ac5f2-8e10-7000-9c4d-5b7a1e2f3c42',
  recipients: 1,
  notifications: [{ user: 'ann', seq: 1 }],
};

async function failing(steps: readonly [Step, ...Step[]], options: PublisherOptions = {}) {
  const server = await startScripted(...steps);
  const clock = noWaiting(10_000);
  const publisher = createPublisher({ url: server.url, apiKey: 'key', clock, random: () => 0.5, ...options });
  return { publisher, server, clock };
}

async function refusalOf(call: Promise<unknown>): Promise<BelfryError> {
  const error: unknown = await call.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(BelfryError);
  return error as BelfryError;
}

describe('against the real server', () => {
  it('an alert is stored for one person, several, a group, and everyone', async () => {
    const belfry = await startBelfry();
    const publisher = createPublisher(belfry);
    const one = await publisher.publishAlert('ann', deal);
    expect(one).toMatchObject({ recipients: 1, replayed: false, notifications: [{ user: 'ann', seq: 1 }] });
    expect(await publisher.publishAlert(['ann', 'bob'], deal)).toMatchObject({ recipients: 2 });
    expect(await publisher.putGroup('family-7', ['ann', 'bob'])).toEqual({ id: 'family-7', member_count: 2 });
    await publisher.addMembers('family-7', ['cem']);
    await publisher.removeMembers('family-7', ['bob']);
    expect((await publisher.getGroup('family-7')).members).toEqual(['ann', 'cem']);
    expect(await publisher.publishToGroup('family-7', deal)).toMatchObject({ recipients: 2 });
    expect(await publisher.publishToGroup(['bob'], deal)).toMatchObject({ recipients: 1 });
    expect(await publisher.broadcastToUser('bob', deal)).toMatchObject({ recipients: 1 });
    expect(await publisher.broadcastToAll(deal)).toMatchObject({ recipients: null, notifications: [] });
    expect((await publisher.getUser('ann')).unread).toBe(4);
    expect((await publisher.getUser('bob')).unread).toBe(4);
  });

  it('the same idempotency key stores nothing and gets the first answer again', async () => {
    const publisher = createPublisher(await startBelfry());
    const first = await publisher.publishAlert('ann', { ...deal, idempotency_key: 'row-7' });
    const again = await publisher.publishAlert('ann', { ...deal, idempotency_key: 'row-7' });
    expect(again).toEqual({ ...first, replayed: true });
    const stored = { ...deal, data: { ...deal.data, notification_id: 'n-1' } };
    await publisher.publishAlert('ann', stored);
    expect((await publisher.publishAlert('ann', stored)).replayed).toBe(true);
    expect((await publisher.publishAlert('ann', deal)).replayed).toBe(false);
    expect((await publisher.getUser('ann')).unread).toBe(3);
    const other = { ...deal, data: { ...deal.data, message: 'another' }, idempotency_key: 'row-7' };
    expect(await refusalOf(publisher.publishAlert('ann', other))).toMatchObject({
      code: 'idempotency-mismatch',
      status: 422,
      retryable: false,
    });
  });

  it('a refusal names the code, its page, and each fault by its pointer', async () => {
    const kinds = new URL('../../../examples/flyer-deals-react/kinds', import.meta.url).pathname;
    const publisher = createPublisher(await startBelfry({ kinds }));
    const wrong = { ...deal, data: { ...deal.data, deals: [{ ...deal.data.deals[0], store_id: null }] } };
    const error = await refusalOf(publisher.publishAlert('ann', wrong));
    expect(error).toMatchObject({ code: 'data-invalid', status: 422, retryable: false, attempts: 1 });
    expect(error.docs).toContain('data-invalid');
    expect(error.errors.map((fault) => fault.pointer)).toContain('/data/deals/0/store_id');
    const unknown = await refusalOf(publisher.publishAlert('ann', { ...deal, kind: 'deal-notifcation' }));
    expect(unknown.code).toBe('kind-unknown');
    expect(unknown.message).toContain('deal-notification');
  });

  it('an alert is traced and recalled', async () => {
    const publisher = createPublisher(await startBelfry());
    const { id } = await publisher.publishAlert('ann', { ...deal, expires_at: new Date('2099-01-01T00:00:00Z') });
    const trace = await publisher.getAlert(id);
    expect(trace).toMatchObject({ id, kind: 'deal-notification', expires_at: '2099-01-01T00:00:00Z' });
    expect(trace.trace).toMatchObject([{ user: 'ann', level: null }]);
    await publisher.recall(id);
    await publisher.recall(id);
    expect((await publisher.getAlert(id)).recalled_at).not.toBeNull();
    expect((await publisher.getUser('ann')).unread).toBe(0);
  });

  it('users are described, disconnected and erased; ids may have any characters', async () => {
    const publisher = createPublisher(await startBelfry());
    const id = 'ann/ö?#% b';
    expect(await publisher.putUser(id, { email: 'a@example.com', locale: 'en-GB' })).toMatchObject({ id });
    expect(await publisher.disconnectUser(id)).toEqual({ closed: 0 });
    await publisher.disconnectUser(id, { revoke_before: new Date('2026-01-01T00:00:00Z') });
    expect((await publisher.getUser(id)).revoke_before).toBe('2026-01-01T00:00:00Z');
    await publisher.deleteUser(id);
    expect(await refusalOf(publisher.getUser(id))).toMatchObject({ code: 'user-unknown', status: 404 });
    expect(await refusalOf(publisher.getUser('..'))).toMatchObject({ code: 'misconfigured' });
  });

  it('statistics tell connections, users and nodes', async () => {
    const publisher = createPublisher(await startBelfry());
    await publisher.publishAlert('ann', deal);
    const stats = await publisher.getConnectionStats();
    expect(stats).toMatchObject({ connections: 0, users: 0 });
    expect(stats.nodes).toHaveLength(1);
    expect(stats.kinds['deal-notification']?.accepted).toBe(1);
  });

  it('a key that is none is told so, and asked no second time', async () => {
    const { url } = await startBelfry();
    const error = await refusalOf(createPublisher({ url, apiKey: 'bk_wrong' }).publishAlert('ann', deal));
    expect(error).toMatchObject({ code: 'unauthorized', status: 401, attempts: 1 });
  });

  it('a server that comes back within the tries is waited for', async () => {
    const belfry = await startBelfry();
    await belfry.stop();
    let waits = 0;
    const publisher = createPublisher({
      ...belfry,
      clock: {
        setTimeout: (run, ms) => {
          if (ms === 10_000) return setTimeout(run, ms);
          waits += 1;
          return belfry.start().then(run);
        },
        clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout),
      },
    });
    expect(await publisher.publishAlert('ann', deal)).toMatchObject({ recipients: 1 });
    expect(waits).toBe(1);
  });
});

describe('what failed for the moment', () => {
  it('is repeated with doubling, jittered waits and one key', async () => {
    const steps = [
      problem(503, 'store-unavailable'),
      'drop',
      { status: 502 },
      { status: 202, body: accepted },
    ] as const;
    const { publisher, server, clock } = await failing(steps);
    expect(await publisher.publishAlert('ann', deal)).toMatchObject(accepted);
    expect(clock.waited).toEqual([100, 200, 400]);
    const keys = server.got.map((request) => JSON.parse(request.body).idempotency_key as string);
    expect(keys).toHaveLength(4);
    expect(new Set(keys).size).toBe(1);
    expect(keys[0]).toMatch(/^[0-9a-f-]{36}$/);
    expect(server.got[0]?.headers.authorization).toBe('Bearer key');
  });

  it('waits at least as long as the server asks', async () => {
    const limited = problem(429, 'rate-limited', {}, { 'retry-after': '2' });
    const { publisher, clock } = await failing([limited, { status: 202, body: accepted }]);
    await publisher.publishAlert('ann', deal);
    expect(clock.waited).toEqual([2_100]);
  });

  it('is given up at once where the server asks for too long', async () => {
    const limited = problem(429, 'rate-limited', {}, { 'retry-after': '31' });
    const { publisher, server } = await failing([limited]);
    expect(await refusalOf(publisher.publishAlert('ann', deal))).toMatchObject({
      code: 'rate-limited',
      retryable: true,
      retryAfterMs: 31_000,
      attempts: 1,
    });
    expect(server.got).toHaveLength(1);
  });

  it('ends after as many tries as were asked for', async () => {
    const { publisher, server } = await failing(['drop'], { retries: 2 });
    const error = await refusalOf(publisher.publishAlert('ann', deal));
    expect(error).toMatchObject({ code: 'unavailable', status: null, retryable: true, attempts: 3 });
    expect(server.got).toHaveLength(3);
  });

  it('a node that dies in the middle of a call is stood in for by the next one behind the address', async () => {
    const dying = await startScripted('drop');
    let next: ScriptedServer | undefined;
    const wait = noWaiting(10_000);
    const publisher = createPublisher({
      url: dying.url,
      apiKey: 'key',
      random: () => 0.5,
      clock: {
        ...wait,
        // The first wait finds nobody listening; after the second a node is there that has just begun to start.
        setTimeout: (run, ms) => {
          if (ms === 10_000 || wait.waited.length > 1) return wait.setTimeout(run, ms);
          const moved = wait.waited.length === 0 ? dying.end() : takeOver();
          return void moved.then(() => wait.setTimeout(run, ms));
        },
      },
    });
    const takeOver = async (): Promise<void> => {
      const busy = problem(503, 'store-unavailable', {}, { 'retry-after': '1' });
      next = await startScriptedAt(Number(new URL(dying.url).port), busy, { status: 202, body: accepted });
    };
    expect(await publisher.publishAlert('ann', deal)).toMatchObject(accepted);
    const got = [...dying.got, ...(next?.got ?? [])];
    expect([dying.got.length, next?.got.length]).toEqual([1, 2]);
    expect(new Set(got.map(({ body }) => JSON.parse(body).idempotency_key as string)).size).toBe(1);
    expect(wait.waited).toEqual([100, 200, 1_400]);
  });

  it('half an answer is asked for again', async () => {
    const { publisher, server } = await failing([
      { cut: '{"id":"0199', status: 202 },
      { status: 202, body: accepted },
    ]);
    expect(await publisher.publishAlert('ann', deal)).toMatchObject(accepted);
    expect(server.got).toHaveLength(2);
  });

  it('a server that says nothing is given up at the timeout', async () => {
    const { publisher, server } = await failing(['silence', { status: 202, body: accepted }], {
      timeoutMs: 50,
      clock: noWaiting(50),
    });
    expect(await publisher.publishAlert('ann', deal)).toMatchObject(accepted);
    expect(server.got).toHaveLength(2);
  });

  it('an aborted call ends, also while it waits', async () => {
    const abort = new AbortController();
    const { publisher, server } = await failing(['drop'], {
      clock: {
        setTimeout: (run, ms) => (ms === 10_000 ? setTimeout(run, ms) : abort.abort('enough')),
        clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout),
      },
    });
    const error = await refusalOf(publisher.publishAlert('ann', deal, { signal: abort.signal }));
    expect(error).toMatchObject({ code: 'aborted', retryable: false, cause: 'enough' });
    expect(server.got).toHaveLength(1);
    expect((await refusalOf(publisher.publishAlert('ann', deal, { signal: abort.signal }))).code).toBe('aborted');
    expect(server.got).toHaveLength(1);
  });
});

describe('what is refused', () => {
  it.each([
    [problem(500, 'internal'), 'internal', 500],
    [problem(422, 'field-invalid', { errors: [{ pointer: '/to', detail: 'x' }] }), 'field-invalid', 422],
    [{ status: 404, body: 'not here' } as Step, 'answer-unexpected', 404],
    [{ status: 302, headers: { location: '/elsewhere' } } as Step, 'answer-unexpected', 302],
    [{ status: 200, body: '<html>' } as Step, 'answer-unexpected', 200],
  ])('%j is not repeated', async (step, code, status) => {
    const { publisher, server } = await failing([step]);
    expect(await refusalOf(publisher.publishAlert('ann', deal))).toMatchObject({ code, status, retryable: false });
    expect(server.got).toHaveLength(1);
  });

  it('data without a JSON form never leaves the house', async () => {
    const { publisher, server } = await failing([{ status: 202, body: accepted }]);
    const round: Record<string, unknown> = {};
    round['self'] = round;
    const error = await refusalOf(publisher.publishAlert('ann', { kind: 'a', data: round }));
    expect(error.code).toBe('misconfigured');
    expect(server.got).toEqual([]);
  });
});

describe('options', () => {
  it.each([
    [{ apiKey: 'k' }, /BELFRY_URL/],
    [{ url: 'http://h' }, /BELFRY_API_KEY/],
    [{ url: 'h:1', apiKey: 'k' }, /no server address/],
    [{ url: 'http://h/?token=x', apiKey: 'k' }, /no query/],
    [{ url: 'http://user:pw@h', apiKey: 'k' }, /no user name/],
    [{ url: 'http://h', apiKey: 'k\n' }, /no header takes/],
  ] as const)('%j is refused before any call', (options, message) => {
    const attempt = (): Publisher => createPublisher(options);
    expect(attempt).toThrow(message);
    expect(attempt).toThrow(BelfryError);
  });

  it('a password in the address is not repeated in the message', () => {
    expect(() => createPublisher({ url: 'http://user:geheim@h', apiKey: 'k' })).not.toThrow(/geheim/);
  });

  it('a path prefix stays in front', async () => {
    const server = await startScripted({ status: 202, body: accepted });
    await createPublisher({ url: `${server.url}/belfry/`, apiKey: 'key' }).publishAlert('ann', deal);
    expect(server.got[0]?.path).toBe('/belfry/v1/alerts');
  });

  it('the key is shown nowhere', async () => {
    const { publisher } = await failing(['drop'], { apiKey: 'bk_secret', retries: 0 });
    const error = await refusalOf(publisher.publishAlert('ann', deal));
    expect(inspect([publisher, error], { depth: 10, showHidden: true })).not.toContain('bk_secret');
  });
});
