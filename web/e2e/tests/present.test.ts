/** An alert is listed in every tab and presented in one. */

import { describe, expect, test } from 'vitest';
import { app, listed, live, presented, presentedByAll, settled, unread } from '../support/app.js';
import { BOTH, openBrowser, type Tab } from '../support/browsers.js';
import { stage } from '../support/stage.js';
import { becomes } from '../support/wait.js';

const numbers = (n: number): string[] => Array.from({ length: n }, (_, at) => `Alert ${at}`);

describe.each(BOTH)('%s', (name) => {
  test('K2 K13 two tabs list the alert and count it, one presents it, another user gets nothing', async () => {
    await using set = await stage();
    await using browser = await openBrowser(name);
    await using other = await openBrowser('chromium');
    const tabs = [await browser.tab(set.page('ann', app())), await browser.tab(set.page('ann', app()))];
    const bob = await other.tab(set.page('bob', app()));
    await settled(tabs);
    await live(bob);

    await set.belfry.publish('ann', { title: 'For ann' });

    for (const tab of tabs) {
      await becomes('the list', () => listed(tab), ['For ann']);
      await becomes('the badge', () => unread(tab), 1);
    }
    await becomes('presentations', () => presentedByAll(tabs), ['For ann']);
    // What comes later has been presented, so what came first will not be presented any more.
    await set.belfry.publish('ann', { title: 'Later' });
    await becomes('presentations', () => presentedByAll(tabs), ['For ann', 'Later']);
    await set.belfry.publish('bob', { title: 'For bob' });
    await becomes("bob's list", () => listed(bob), ['For bob']);
    await becomes("bob's presentations", () => presented(bob), ['For bob']);
  });

  test('ten alerts at once are presented ten times, in order, in the tab that is in sight', async () => {
    await using set = await stage();
    await using browser = await openBrowser(name);
    const hidden = await browser.tab(set.page('ann', app()));
    const shown = await browser.tab(set.page('ann', app()));
    await settled([hidden, shown]);
    const titles = numbers(10);
    for (const title of titles) await set.belfry.publish('ann', { title });
    await becomes('presentations', () => presented(shown), titles);
    expect(await presented(hidden)).toEqual([]);
    const bursts = await shown.evaluate(() => window.seen.presented.map(({ burst }) => burst));
    expect(bursts).toEqual(numbers(10).map((_, at) => at + 1));
  });

  test('what a reload finds is listed and not presented again', async () => {
    await using set = await stage();
    await using browser = await openBrowser(name);
    const tab = await browser.tab(set.page('ann', app()));
    await live(tab);
    await set.belfry.publish('ann', { title: 'Before' });
    await becomes('presentations', () => presented(tab), ['Before']);
    await tab.reload();
    await live(tab);
    await set.belfry.publish('ann', { title: 'After' });
    await becomes('presentations', () => presented(tab), ['After']);
    await becomes('the list', () => listed(tab), ['Before', 'After']);
  });
});

test('where the application says so every tab presents', async () => {
  await using set = await stage();
  await using browser = await openBrowser('chromium');
  const page = set.page('ann', app({ set: { attention: { present: 'every-tab' } } }));
  const tabs: Tab[] = [await browser.tab(page), await browser.tab(page)];
  await settled(tabs);
  await set.belfry.publish('ann', { title: 'To all' });
  for (const tab of tabs) await becomes('presentations', () => presented(tab), ['To all']);
});

test('F4 B1 an announcement reaches everybody and counts for everybody', async () => {
  await using set = await stage();
  await using browser = await openBrowser('chromium');
  await using other = await openBrowser('chromium');
  const [ann, bob] = [await browser.tab(set.page('ann', app())), await other.tab(set.page('bob', app()))];
  await live(ann, bob);
  const data = { message: 'Maintenance tonight', severity: 'warning', link: '/status' };
  await set.belfry.publish({ everyone: true }, { title: 'Maintenance tonight', kind: 'system-message', data });
  for (const tab of [ann, bob]) {
    await becomes('presentations', () => presented(tab), ['Maintenance tonight']);
    await becomes('the badge', () => unread(tab), 1);
  }
  await ann.evaluate(async () => window.client.markRead(window.client.alerts.get()));
  await becomes("ann's badge", () => unread(ann), 0);
  expect(await unread(bob)).toBe(1);
});

test('F9 the event bus hands on the data, in one tab where it is asked for', async () => {
  await using set = await stage({
    kinds: {
      'deal.toml': `kind = "deal-notification"\nevent = "notification:deal"\n[templates.en]\ntitle = "{{ data.message }}"\n`,
    },
  });
  await using browser = await openBrowser('chromium');
  const tab = await browser.tab(set.page('ann', app()));
  await live(tab);
  await tab.evaluate(() => {
    window.client.on('notification:deal', (data) => void window.seen.opened.push(JSON.stringify(data)));
  });
  const data = { deals: [], user_id: 'ann', message: '1 deal on your list' };
  const to = { user: 'ann' };
  await set.belfry.call('backend', 'POST', '/v1/alerts', { to, kind: 'deal-notification', data });
  await becomes('the handler', () => tab.evaluate(() => window.seen.opened.map((text) => JSON.parse(text))), [data]);
});
