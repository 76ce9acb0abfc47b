/** One truth for what is unread, in every tab and on every device. */

import { expect, test } from 'vitest';
import { app, live, settled, unread } from '../support/app.js';
import { openBrowser, type Tab } from '../support/browsers.js';
import { stage } from '../support/stage.js';
import { becomes } from '../support/wait.js';

/** Numbers that look drawn and are the same in every run. */
function drawn(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** What a tab knows of each alert. */
const view = (tab: Tab): Promise<string[]> =>
  tab.evaluate(() =>
    window.client.alerts
      .get()
      .map(({ title, state }) => `${title} ${state.read ? 'read' : 'unread'}${state.archived ? ' archived' : ''}`)
      .sort(),
  );

test.each([1, 2026])('B5 five tabs and another device agree after a random walk, seed %i', async (seed) => {
  await using set = await stage();
  await using browser = await openBrowser('chromium');
  await using other = await openBrowser('chromium');
  const page = set.page('ann', app({ user: 'ann' }));
  const tabs: Tab[] = [];
  for (let at = 0; at < 5; at++) tabs.push(await browser.tab(page));
  await settled(tabs);
  const phone = await other.tab(page);
  await live(phone);
  const all = [...tabs, phone];
  const draw = drawn(seed);
  let published = 0;
  for (let step = 0; step < 60; step++) {
    const tab = all[draw(all.length)];
    if (!tab) throw new Error('no such tab');
    const action = draw(9);
    if (action < 4) await set.belfry.publish('ann', { title: `Alert ${published++}` });
    else if (action === 4) await set.belfry.publish({ everyone: true }, { title: `News ${published++}` });
    else if (action === 5) set.wire.heal();
    else {
      // What is offline at this moment is refused, which is a step of the walk as well.
      const change = (['markRead', 'markUnread', 'archive'] as const)[action - 6];
      await tab.evaluate(
        ([change, place]) => {
          const rows = window.client.alerts.get();
          const row = rows[place % Math.max(rows.length, 1)];
          return row && change && window.client[change](row).catch(() => {});
        },
        [change, draw(40)] as const,
      );
    }
  }
  await live(...all);
  await becomes('every count', async () => new Set(await Promise.all(all.map(unread))).size, 1);
  await becomes('the truth', () => unread(phone), await set.belfry.unread('ann'));
  const views = async (): Promise<string[][]> => Promise.all(all.map(view));
  await becomes('views', async () => new Set((await views()).map((rows) => rows.join())).size, 1);
  const [rows = []] = await views();
  const { items } = await set.belfry.inbox('ann', '?limit=100');
  expect(rows).toEqual(items.map(({ title, state }) => `${title} ${state?.read ? 'read' : 'unread'}`).sort());
});
