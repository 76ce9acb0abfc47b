/** Networks that go away, servers that restart, machines that sleep: the page is back by itself and has everything. */

import { describe, expect, test } from 'vitest';
import { app, leaderOf, listed, live, presentedByAll, settled, state } from '../support/app.js';
import { BOTH, Chromium, openBrowser, type Tab } from '../support/browsers.js';
import { stage } from '../support/stage.js';
import { becomes, never } from '../support/wait.js';

/** The heartbeat, so that a dead link is noticed while the test runs: the deadlines follow from it. */
const QUICK = '[live]\nheartbeat_interval = "2s"\nheartbeat_timeout = "1s"\n';
/** Waits that are short and not drawn, so that what is measured is not luck. */
const page = app({ user: 'ann', set: { backoff: [100, 200, 500], jitter: 'none' } });

const reasons = (tab: Tab): Promise<string | null> =>
  tab.evaluate(() => window.client.connection.get().error?.code ?? null);

describe.each(BOTH)('%s', (name) => {
  test('K14 the network is cut and comes back: every tab has what it missed, once and in order', async () => {
    await using set = await stage();
    await using browser = await openBrowser(name);
    const tabs = [await browser.tab(set.page('ann', page)), await browser.tab(set.page('ann', page))];
    await settled(tabs);
    await set.belfry.publish('ann', { title: '0' });
    for (const tab of tabs) await becomes('the list', () => listed(tab), ['0']);
    set.wire.cut();
    for (const tab of tabs) await becomes('the tab has noticed', () => state(tab), 'retrying');
    for (const title of ['1', '2', '3']) await set.belfry.publish('ann', { title });
    set.wire.heal();
    await live(...tabs);
    for (const tab of tabs) await becomes('the list', () => listed(tab), ['0', '1', '2', '3']);
    await becomes('presentations', () => presentedByAll(tabs), ['0', '1', '2', '3']);
    await becomes('connections', () => set.belfry.connections('ann'), 1);
  });

  test('B16 where WebSockets are blocked the same comes as an event stream', async () => {
    await using set = await stage();
    await using browser = await openBrowser(name);
    set.site.upgradesBlocked = true;
    const tab = await browser.tab(set.page('ann', page));
    await live(tab);
    expect(await tab.evaluate(() => window.client.connection.get().transport)).toBe('sse');
    await set.belfry.publish('ann', { title: 'By stream' });
    await becomes('presentations', () => presentedByAll([tab]), ['By stream']);
    set.wire.heal();
    await set.belfry.publish('ann', { title: 'While away' });
    await becomes('the list', () => listed(tab), ['By stream', 'While away']);
    await becomes('presentations', () => presentedByAll([tab]), ['By stream', 'While away']);
  });

  test('B12 the server is killed and comes back: nothing is lost or doubled', async () => {
    await using set = await stage();
    await using browser = await openBrowser(name);
    const tab = await browser.tab(set.page('ann', page));
    await live(tab);
    for (const title of ['0', '1', '2']) await set.belfry.publish('ann', { title });
    await set.belfry.kill();
    await becomes('the tab has noticed', () => state(tab), 'retrying');
    await set.belfry.launch();
    await live(tab);
    await set.belfry.publish('ann', { title: '3' });
    await becomes('the list', () => listed(tab), ['0', '1', '2', '3']);
    await becomes('presentations', () => presentedByAll([tab]), ['0', '1', '2', '3']);
  });
});

test('F7 a server that ends says so first, and the page comes back when it was told to', async () => {
  await using set = await stage();
  await using browser = await openBrowser('chromium');
  const tab = await browser.tab(set.page('ann', page));
  await live(tab);
  const ended = set.belfry.stop();
  await set.belfry.publish('ann', { title: 'At the last moment' }).catch(() => {});
  await ended;
  const farewell = await tab.evaluate(() => window.seen.frames.find(({ type }) => type === 'going-away'));
  expect(farewell?.data).toMatchObject({ reconnect_after_ms: expect.any(Number) });
  await set.belfry.launch();
  await live(tab);
  const { items } = await set.belfry.inbox('ann');
  await becomes('the list', () => listed(tab), items.map(({ title }) => title).reverse());
});

test('K7 a link that is dead without a word is noticed by the heartbeat', async () => {
  await using set = await stage({ config: QUICK });
  await using browser = await openBrowser('chromium');
  const tab = await browser.tab(set.page('ann', page));
  await live(tab);
  set.wire.stall();
  await set.belfry.publish('ann', { title: 'Into the void' });
  await becomes('the tab has noticed', () => state(tab), 'retrying');
  expect(await listed(tab)).toEqual([]);
  set.wire.heal();
  await live(tab);
  await becomes('the list', () => listed(tab), ['Into the void']);
  await becomes('presentations', () => presentedByAll([tab]), ['Into the void']);
});

test('K14 a machine that slept while its network changed: the socket that calls itself open is left', async () => {
  await using set = await stage({ config: QUICK });
  await using browser = await Chromium.open();
  const tabs = [await browser.tab(set.page('ann', page)), await browser.tab(set.page('ann', page))];
  await settled(tabs);
  const family = await browser.processes();
  for (const pid of family) process.kill(pid, 'SIGSTOP');
  try {
    set.wire.strand();
    await becomes('the server has given it up', () => set.belfry.connections('ann'), 0);
    await set.belfry.publish('ann', { title: 'While asleep' });
  } finally {
    for (const pid of family.reverse()) process.kill(pid, 'SIGCONT');
  }
  for (const tab of tabs) await becomes('the list', () => listed(tab), ['While asleep']);
  await settled(tabs);
  await becomes('presentations', () => presentedByAll(tabs), ['While asleep']);
});

test('after ten failed attempts it is offline, and back at once when the network says so', async () => {
  await using set = await stage();
  await using browser = await openBrowser('chromium');
  const tab = await browser.tab(set.page('ann', app({ user: 'ann', set: { backoff: [10], maxAttempts: 10 } })));
  await live(tab);
  set.wire.cut();
  await becomes('the tab gives up', () => state(tab), 'offline');
  expect(await tab.evaluate(() => window.client.connection.get().attempts)).toBe(10);
  expect(await reasons(tab)).toBe('connect-failed');
  const tried = set.wire.accepted;
  await never('another attempt', () => set.wire.accepted > tried, 1_000);
  set.wire.heal();
  await set.belfry.publish('ann', { title: 'Meanwhile' });
  await tab.evaluate(() => void dispatchEvent(new Event('online')));
  await live(tab);
  await becomes('the list', () => listed(tab), ['Meanwhile']);
});

test('a page that comes back from the back-forward cache is live again and complete', async () => {
  await using set = await stage();
  await using browser = await Chromium.open();
  const tab = await browser.tab(set.page('ann', page));
  await live(tab);
  await tab.evaluate(() => {
    addEventListener('pageshow', ({ persisted }) => {
      document.title = persisted ? 'restored' : 'loaded anew';
    });
  });
  await tab.goto(`${set.wire.url}/blank`);
  await becomes('the connection is gone', () => set.belfry.connections('ann'), 0);
  await set.belfry.publish('ann', { title: 'While away' });
  await tab.evaluate(() => void setTimeout(() => history.back()));
  const title = (): Promise<string> => tab.evaluate(() => document.title).catch(() => 'on its way');
  await becomes('the page is back as it was', title, 'restored');
  await live(tab);
  await becomes('the list', () => listed(tab), ['While away']);
  await becomes('connections', () => set.belfry.connections('ann'), 1);
});

test('a tab that is hidden, frozen and alone is live again when it is looked at', async () => {
  await using set = await stage();
  await using browser = await Chromium.open();
  const tab = await browser.tab(set.page('ann', page));
  await live(tab);
  const other = await browser.tab('about:blank');
  await tab.cdp.send('Page.setWebLifecycleState', { state: 'frozen' });
  await becomes('the connection is gone', () => set.belfry.connections('ann'), 0);
  await set.belfry.publish('ann', { title: 'While frozen' });
  await tab.cdp.send('Page.setWebLifecycleState', { state: 'active' });
  await other.close();
  await live(tab);
  await becomes('the list', () => listed(tab), ['While frozen']);
  expect((await leaderOf([tab])).leader).toBe(tab);
});
