import { describe, expect, it } from 'vitest';
import { type BatchEntry, type BatchOutcome, createPublisher } from '../src/index.js';
import { startBelfry } from './support/belfry.js';
import { problem, type Step, startScripted } from './support/scripted.js';
import { noWaiting } from './support/waits.js';

const entry = (n: number): BatchEntry => ({ to: 'ann', kind: 'note', data: { n } });
const line = (n: number, status = 202): string =>
  `${JSON.stringify({ line: n, status, alert: { id: `id-${n}`, recipients: 1, notifications: [] } })}\n`;

async function outcomesOf(batch: AsyncIterable<BatchOutcome>): Promise<BatchOutcome[]> {
  const outcomes: BatchOutcome[] = [];
  for await (const outcome of batch) outcomes.push(outcome);
  return outcomes;
}

async function scripted(...steps: readonly [Step, ...Step[]]) {
  const server = await startScripted(...steps);
  const clock = noWaiting(10_000, 30_000);
  const publisher = createPublisher({ url: server.url, apiKey: 'key', clock, random: () => 0.5 });
  return { server, publisher };
}

const ndjson = (body: string): Step => ({ status: 200, body });

describe('against the real server', () => {
  it('every alert has its outcome in its place; a refused one does not stop the next', async () => {
    const publisher = createPublisher(await startBelfry());
    const entries: BatchEntry[] = [entry(1), { ...entry(2), kind: 'error' }, entry(3)];
    const outcomes = await outcomesOf(publisher.publishBatch(entries));
    expect(outcomes.map((outcome) => [outcome.index, outcome.ok])).toEqual([
      [0, true],
      [1, false],
      [2, true],
    ]);
    expect(outcomes[1]).toMatchObject({ error: { code: 'kind-reserved', status: 422 } });
    expect(outcomes[2]).toMatchObject({ receipt: { recipients: 1, notifications: [{ user: 'ann', seq: 2 }] } });
  });

  it('more lines than one request takes are all stored, once each, in order', async () => {
    const publisher = createPublisher(await startBelfry());
    function* many(): Generator<BatchEntry> {
      for (let n = 0; n < 2_001; n += 1) yield entry(n);
    }
    const outcomes = await outcomesOf(publisher.publishBatch(many()));
    const seqs = outcomes.map((outcome) => outcome.ok && outcome.receipt.notifications[0]?.seq);
    expect(seqs).toEqual(Array.from({ length: 2_001 }, (_, n) => n + 1));
  });

  it('a slow source does not hold back what it gave already', async () => {
    const publisher = createPublisher(await startBelfry());
    let give: (value: BatchEntry) => void = () => {};
    const later = new Promise<BatchEntry>((resolve) => {
      give = resolve;
    });
    async function* slow(): AsyncGenerator<BatchEntry> {
      yield entry(1);
      yield await later;
    }
    const batch = publisher.publishBatch(slow());
    expect((await batch.next()).value).toMatchObject({ index: 0, ok: true });
    give(entry(2));
    expect((await batch.next()).value).toMatchObject({ index: 1, ok: true });
    expect((await batch.next()).done).toBe(true);
  });

  it('a batch that is left early closes its source', async () => {
    const publisher = createPublisher(await startBelfry());
    let closed = false;
    function* source(): Generator<BatchEntry> {
      try {
        for (let n = 0; ; n += 1) yield entry(n);
      } finally {
        closed = true;
      }
    }
    for await (const outcome of publisher.publishBatch(source())) {
      expect(outcome.ok).toBe(true);
      break;
    }
    expect(closed).toBe(true);
  });

  it('nothing is asked for nothing', async () => {
    const { server, publisher } = await scripted('drop');
    expect(await outcomesOf(publisher.publishBatch([]))).toEqual([]);
    expect(server.got).toEqual([]);
  });
});

describe('an answer that breaks off', () => {
  it('is asked for again from the first line without a result, with the same keys', async () => {
    const { server, publisher } = await scripted(
      { cut: `${line(1)}{"line":2,"sta` },
      problem(503, 'draining'),
      ndjson(line(1) + line(2)),
    );
    const outcomes = await outcomesOf(publisher.publishBatch([entry(1), entry(2), entry(3)]));
    expect(outcomes.map((outcome) => outcome.ok)).toEqual([true, true, true]);
    const sent = server.got.map((request) => request.body.trim().split('\n'));
    expect(sent.map((lines) => lines.length)).toEqual([3, 2, 2]);
    expect(sent[1]).toEqual(sent[0]?.slice(1));
    expect(sent[2]).toEqual(sent[1]);
  });

  it('that makes headway may break off more often than a call is tried', async () => {
    const { server, publisher } = await scripted({ cut: line(1) });
    const outcomes = await outcomesOf(publisher.publishBatch(Array.from({ length: 10 }, (_, n) => entry(n))));
    expect(outcomes.map((outcome) => outcome.ok)).toEqual(Array.from({ length: 10 }, () => true));
    expect(server.got).toHaveLength(10);
  });

  it('for good is the outcome of every line without a result, and the tries are made once', async () => {
    const { server, publisher } = await scripted('drop');
    const outcomes = await outcomesOf(publisher.publishBatch([entry(1), entry(2)]));
    expect(outcomes).toMatchObject([
      { ok: false, error: { code: 'unavailable', retryable: true, attempts: 6 } },
      { ok: false, error: { code: 'unavailable' } },
    ]);
    expect(server.got).toHaveLength(6);
  });
});

describe('a line', () => {
  it('that the server had no room for is published on its own', async () => {
    const busy = {
      line: 1,
      status: 503,
      problem: { code: 'overloaded', status: 503, title: 't', detail: 'd', type: '' },
    };
    const { server, publisher } = await scripted(ndjson(`${JSON.stringify(busy)}\n${line(2)}`), {
      status: 202,
      body: { id: 'alone', recipients: 1, notifications: [] },
    });
    const outcomes = await outcomesOf(publisher.publishBatch([entry(1), entry(2)]));
    expect(outcomes).toMatchObject([{ receipt: { id: 'alone' } }, { receipt: { id: 'id-2' } }]);
    expect(server.got.map((request) => request.path)).toEqual(['/v1/alerts/batch', '/v1/alerts']);
    expect(server.got[1]?.body).toBe(server.got[0]?.body.split('\n')[0]);
  });

  it('without a JSON form is refused in its place, and never sent', async () => {
    const { server, publisher } = await scripted(ndjson(line(1)));
    const round: Record<string, unknown> = {};
    round['self'] = round;
    const outcomes = await outcomesOf(publisher.publishBatch([{ ...entry(1), data: round }, entry(2)]));
    expect(outcomes).toMatchObject([{ ok: false, error: { code: 'misconfigured' } }, { ok: true }]);
    expect(server.got[0]?.body.trim().split('\n')).toHaveLength(1);
  });

  it('that answers for another one is believed by nobody', async () => {
    const { publisher } = await scripted(ndjson(line(2)));
    const outcomes = await outcomesOf(publisher.publishBatch([entry(1)]));
    expect(outcomes).toMatchObject([{ ok: false, error: { code: 'answer-unexpected', retryable: false } }]);
  });

  it('with neither alert nor problem is unexpected', async () => {
    const { publisher } = await scripted(ndjson('{"line":1,"status":202}\n'));
    const outcomes = await outcomesOf(publisher.publishBatch([entry(1)]));
    expect(outcomes).toMatchObject([{ ok: false, error: { code: 'answer-unexpected' } }]);
  });
});
