import { describe, expect, it, vi } from 'vitest';
import { createLater } from '../src/later.js';

/** A part that comes when the test says so. */
function part() {
  let arrive: (value: string[]) => void = () => {};
  let fail: (error: unknown) => void = () => {};
  const load = vi.fn(
    () =>
      new Promise<string[]>((resolve, reject) => {
        arrive = resolve;
        fail = reject;
      }),
  );
  return { later: createLater(load), load, arrive: (log: string[]) => arrive(log), fail: (why: unknown) => fail(why) };
}

describe('a part that is loaded later', () => {
  it('gets what was asked of it before, in that order', async () => {
    const { later, arrive } = part();
    const log: string[] = [];
    later.when((to) => to.push('first'));
    const answer = later.ask((to) => to.push('second'));
    later.when((to) => to.push('third'));
    expect(later.now).toBeUndefined();
    arrive(log);
    expect(await answer).toBe(2);
    expect(log).toEqual(['first', 'second', 'third']);
    later.when((to) => to.push('at once'));
    expect(log.at(-1)).toBe('at once');
  });

  it('is loaded once, and only by who needs an answer', async () => {
    const { later, load, arrive } = part();
    later.when(() => {});
    later.add(() => () => {});
    expect(load).not.toHaveBeenCalled();
    const both = Promise.all([later.ask(() => 1), later.ask(() => 2)]);
    arrive([]);
    expect(await both).toEqual([1, 2]);
    expect(load).toHaveBeenCalledTimes(1);
  });

  it('never sees what was taken back while it waited, and gives up what was added', async () => {
    const { later, arrive } = part();
    const log: string[] = [];
    const add = (name: string) =>
      later.add((to) => {
        to.push(name);
        return () => to.push(`${name} left`);
      });
    add('gone')();
    const stop = add('stays');
    void later.load();
    arrive(log);
    await later.load();
    expect(log).toEqual(['stays']);
    stop();
    expect(log).toEqual(['stays', 'stays left']);
  });

  it('that does not come is asked for again by the next one, and what waits still happens', async () => {
    const { later, load, arrive, fail } = part();
    const log: string[] = [];
    later.when((to) => to.push('waited'));
    const refused = later.ask(() => {});
    fail(new TypeError('no network'));
    await expect(refused).rejects.toMatchObject({
      name: 'BelfryError',
      code: 'request-failed',
      message: 'no network; reload the page if this stays so',
    });
    const answer = later.ask((to) => to.length);
    arrive(log);
    expect(await answer).toBe(1);
    expect(load).toHaveBeenCalledTimes(2);
  });

  it('rejects with what its answer rejects with, and crashes nobody who does not wait', async () => {
    const { later, arrive } = part();
    const answer = later.ask(() => {
      throw new Error('mine');
    });
    arrive([]);
    await expect(answer).rejects.toThrow('mine');
  });
});
