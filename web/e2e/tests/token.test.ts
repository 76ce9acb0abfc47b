/** Tokens: fetched once for all tabs, renewed on the live connection, and never the wrong person's. */

import { describe, expect, test } from 'vitest';
import { app, listed, live, settled, state } from '../support/app.js';
import { BOTH, openBrowser, type Tab } from '../support/browsers.js';
import { stage } from '../support/stage.js';
import { becomes, never } from '../support/wait.js';

const page = app({ user: 'ann', auth: 'token', set: { backoff: [50], jitter: 'none' } });
const error = (tab: Tab): Promise<string | undefined> => tab.evaluate(() => window.client.connection.get().error?.code);

describe.each(BOTH)('%s', (name) => {
  test('B13 a token that the server refuses is renewed once for all tabs, and all go on', async () => {
    await using set = await stage();
    await using browser = await openBrowser(name);
    const tabs = [await browser.tab(set.page('ann', page)), await browser.tab(set.page('ann', page))];
    await settled(tabs);
    // As an application does that keeps its token until somebody says that it is no good.
    const kept = set.belfry.token('ann');
    set.site.stale = (reason) => (reason === 'rejected' ? null : kept);
    await set.belfry.restartWithAnotherSecret();
    await becomes('fresh tokens', () => set.site.tokens.filter((reason) => reason === 'rejected').length, 1);
    await live(...tabs);
    expect(set.site.tokens.filter((reason) => reason === 'rejected')).toHaveLength(1);
    await set.belfry.publish('ann', { title: 'After' });
    for (const tab of tabs) await becomes('the list', () => listed(tab), ['After']);
  });

  test('B13 where the new token is refused as well it stops and says why, after a counted number of attempts', async () => {
    await using set = await stage();
    await using browser = await openBrowser(name);
    const tabs = [await browser.tab(set.page('ann', page)), await browser.tab(set.page('ann', page))];
    await settled(tabs);
    const upgrades = set.site.upgrades;
    const rejected = (): number => set.site.tokens.filter((reason) => reason === 'rejected').length;
    set.site.stale = () => 'not.a.token';
    await set.belfry.restartWithAnotherSecret();
    for (const tab of tabs) {
      await becomes('the tab stops', () => state(tab), 'stopped');
      expect(await error(tab)).toBe('unauthorized');
    }
    const tried = set.site.upgrades;
    expect(tried - upgrades).toBeLessThanOrEqual(3);
    await never('another try', () => set.site.upgrades > tried, 1_000);
    expect(rejected()).toBe(1);
  });
});

test('B13 a connection outlives its token: the next one is handed over on it, before the first expires', async () => {
  await using set = await stage({ tokenSeconds: 5 });
  await using browser = await openBrowser('chromium');
  const tab = await browser.tab(set.page('ann', page));
  await live(tab);
  await becomes('tokens', () => set.site.tokens.includes('expiring'), true);
  const first = performance.now();
  await becomes('another round', () => set.site.tokens.filter((reason) => reason === 'expiring').length >= 2, true);
  expect(performance.now() - first).toBeGreaterThan(1_000);
  expect([await state(tab), set.site.upgrades]).toEqual(['live', 1]);
});

test('B13 whoever is signed out meanwhile is told, and nothing is asked for again and again', async () => {
  await using set = await stage();
  await using browser = await openBrowser('chromium');
  const tab = await browser.tab(set.page('ann', page));
  await live(tab);
  await tab.evaluate(() => fetch('/sign-out').then(() => {}));
  const upgrades = set.site.upgrades;
  await set.belfry.call('backend', 'POST', '/v1/users/ann/disconnect', { revoke_before: new Date().toISOString() });
  await becomes('the tab is signed out', () => state(tab), 'idle');
  await never('another try', () => set.site.upgrades > upgrades + 1, 500);
});

test('B13 F15 two people in one browser: neither tab ever acts with the token of the other', async () => {
  await using set = await stage();
  await using browser = await openBrowser('chromium');
  await set.belfry.publish('ann', { title: 'Hers' });
  await set.belfry.publish('bob', { title: 'His' });
  const ann = await browser.tab(set.page('ann', page));
  await live(ann);
  const bob = await browser.tab(set.page('bob', app({ user: 'bob', auth: 'token' })));
  await live(bob);
  const titles = (tab: Tab): Promise<string[]> =>
    tab.evaluate(async () => {
      const list = window.client.list({ archived: false, limit: 5 });
      await list.refresh();
      return list.items.get().map(({ title }) => title);
    });
  expect([await titles(ann), await titles(bob)]).toEqual([['Hers'], ['His']]);
});
