/** How long it takes until a person sees something: medians of twenty, for the figures of K13 and B11. */

import { test } from 'vitest';
import { app, leaderOf, presented, settled } from '../support/app.js';
import { openBrowser, type Tab } from '../support/browsers.js';
import { stage } from '../support/stage.js';
import { until } from '../support/wait.js';

const ROUNDS = 20;

/** The middle one, and the slowest. */
function summary(name: string, times: readonly number[]): string {
  const sorted = [...times].sort((a, b) => a - b);
  return `${name}: median ${sorted[sorted.length >> 1]?.toFixed(0)} ms, slowest ${sorted.at(-1)?.toFixed(0)} ms of ${times.length}`;
}

const at = (tab: Tab, title: string): Promise<number | undefined> =>
  tab.evaluate((title) => window.seen.presented.find((one) => one.title === title)?.at, title);

test.each(['chromium', 'firefox'] as const)('K13 %s: from publishing to the toast', async (name) => {
  await using set = await stage();
  await using browser = await openBrowser(name);
  const page = set.page('ann', app({ user: 'ann', ui: 'toasts' }));
  const tabs = [await browser.tab(page), await browser.tab(page)];
  await settled(tabs);
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const title = `Round ${round}`;
    const before = Date.now();
    await set.belfry.publish('ann', { title });
    const shownAt = await until('the toast', async () =>
      (await Promise.all(tabs.map((tab) => at(tab, title)))).find(Boolean),
    );
    times.push(shownAt - before);
  }
  console.log(summary(`${name}, publish to toast`, times));
});

test('B11 from closing the leader to the next alert', async () => {
  await using set = await stage();
  await using browser = await openBrowser('chromium');
  const page = set.page('ann', app({ user: 'ann' }));
  let tabs = [await browser.tab(page), await browser.tab(page)];
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    await settled(tabs);
    const { leader, others } = await leaderOf(tabs);
    const title = `Round ${round}`;
    await leader.close();
    const before = Date.now();
    await set.belfry.publish('ann', { title });
    await until('presented', async () => (await Promise.all(others.map(presented))).flat().includes(title));
    times.push(Date.now() - before);
    tabs = [...others, await browser.tab(page)];
  }
  console.log(summary('the leader closed, to the next alert', times));
});
