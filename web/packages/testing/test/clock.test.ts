import { expect, it } from 'vitest';
import { createFakeClock } from '../src/index.js';

it('timers run in order of their time, then of their making', async () => {
  const clock = createFakeClock(0);
  const ran: string[] = [];
  clock.setTimeout(() => ran.push(`c at ${clock.now()}`), 20);
  clock.setTimeout(() => ran.push(`a at ${clock.now()}`), 10);
  clock.setTimeout(() => ran.push(`b at ${clock.now()}`), 10);
  await clock.advance(15);
  expect(ran).toEqual(['a at 10', 'b at 10']);
  expect(clock.pending).toBe(1);
  expect(clock.nextIn).toBe(5);
});

it('a timer made by a timer or by a promise within the stretch runs, too', async () => {
  const clock = createFakeClock(0);
  const ran: number[] = [];
  clock.setTimeout(() => {
    void Promise.resolve().then(() => clock.setTimeout(() => ran.push(clock.now()), 5));
  }, 10);
  await clock.advance(15);
  expect(ran).toEqual([15]);
});

it('a cleared timer never runs', async () => {
  const clock = createFakeClock(0);
  let ran = false;
  clock.clearTimeout(clock.setTimeout(() => (ran = true), 1));
  await clock.advance(10);
  expect(ran).toBe(false);
});

it('a jump moves the wall clock and makes no timer due', async () => {
  const clock = createFakeClock(0);
  let ran = false;
  clock.setTimeout(() => (ran = true), 1_000);
  clock.jump(60_000);
  await clock.settle();
  expect(clock.now()).toBe(60_000);
  expect(ran).toBe(false);
});
