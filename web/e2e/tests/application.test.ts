/** What the two applications planned, as their pages and back ends do it. */

import { createPublisher } from '@belfry/node';
import { describe, expect, test } from 'vitest';
import { app, listed, live, pageText, presented, state } from '../support/app.js';
import { BOTH, openBrowser, type Tab } from '../support/browsers.js';
import { nginxIsThere, startNginx } from '../support/nginx.js';
import { freePort } from '../support/ports.js';
import { type Stage, stage } from '../support/stage.js';
import { becomes, never, until } from '../support/wait.js';

const publisherOf = ({ belfry: { url, apiKey } }: Stage) => createPublisher({ url, apiKey });
const plain = (tab: Tab): Promise<string> => tab.evaluate(() => window.plain.state);

test('K1 a token in the query or the cookie opens the connection; an expired, invalid or missing one is refused', async () => {
  await using set = await stage();
  await using browser = await openBrowser('chromium');
  const page = (token: string): string => `${set.wire.url}/plain?path=/ws/alerts&token=${token}`;
  const [good, expired, wrong] = [await browser.tab(), await browser.tab(), await browser.tab()];
  await good.goto(page(set.belfry.token('ann')));
  await becomes('the good one', () => plain(good), 'open');
  await expired.goto(page(set.belfry.token('ann', -3_600)));
  await becomes('the expired one', () => plain(expired), 'closed');
  await wrong.goto(page('not.a.token'));
  await becomes('the wrong one', () => plain(wrong), 'closed');
  const none = await browser.tab(`${set.wire.url}/plain`);
  await becomes('the missing one', () => plain(none), 'closed');
  expect(await set.belfry.connections('ann')).toBe(1);
});

test('K3 a ping gets a pong, and what nobody knows is harmless', async () => {
  await using set = await stage();
  await using browser = await openBrowser('chromium');
  const tab = await browser.tab(set.page('ann', '/plain'));
  await becomes('open', () => plain(tab), 'open');
  await tab.evaluate(() => {
    window.plain.send('something-else');
    window.plain.send('ping');
  });
  await tab.until('a pong', () => window.plain.frames.some(({ type }) => type === 'pong'));
  expect(await plain(tab)).toBe('open');
});

test('F6 a connection whose other end is gone is found and removed', async () => {
  await using set = await stage({ config: '[live]\nheartbeat_interval = "1s"\nheartbeat_timeout = "1s"\n' });
  await using browser = await openBrowser('chromium');
  const tab = await browser.tab(set.page('ann', '/plain'));
  await becomes('open', () => plain(tab), 'open');
  expect(await set.belfry.connections('ann')).toBe(1);
  set.wire.stall();
  await becomes('the server has noticed', () => set.belfry.connections('ann'), 0);
});

test('F13 one more connection than a person may have takes the place of the oldest that nobody looks at', async () => {
  await using set = await stage({ config: '[limits]\nconnections_per_user = 2\n' });
  await using browser = await openBrowser('chromium');
  await using second = await openBrowser('chromium');
  await using third = await openBrowser('chromium');
  const page = set.page('ann', app({ user: 'ann' }));
  const old = await browser.tab(page);
  await live(old);
  await browser.tab('about:blank');
  await becomes('out of sight', () => old.evaluate(() => document.visibilityState), 'hidden');
  const others = [await second.tab(page)];
  await live(...others);
  others.push(await third.tab(page));
  await live(...others);
  await becomes('the oldest', () => state(old), 'paused');
  expect(await set.belfry.connections('ann')).toBe(2);
  await never('they push each other out', async () => (await state(old)) !== 'paused', 1_000);
  await others[1]?.close();
  await old.front();
  await live(old);
});

test('K4 F10 F12 a back end hands over deals for one, for many and for all, and asks who is there', async () => {
  await using set = await stage();
  await using browser = await openBrowser('chromium');
  await using other = await openBrowser('chromium');
  const [ann, bob] = [await browser.tab(set.page('ann', app())), await other.tab(set.page('bob', app()))];
  await live(ann, bob);
  const publisher = publisherOf(set);
  const deals = [{ item_name: 'Oat milk', best_price_in_cents: 149, store_name: 'Corner Market', store_id: 12 }];
  const data = { deals, user_id: 'ann', message: '1 deal on your list' };
  await publisher.publishAlert('ann', { kind: 'deal-notification', title: '1 deal on your list', data });
  await becomes("ann's", () => listed(ann), ['1 deal on your list']);
  await publisher.publishToGroup(['ann', 'bob'], { kind: 'note', title: 'For both', data: {} });
  await publisher.broadcastToAll({
    kind: 'system-message',
    title: 'For all',
    data: { message: 'Hi', severity: 'info' },
  });
  await becomes("ann's", () => listed(ann), ['1 deal on your list', 'For both', 'For all']);
  await becomes("bob's", () => listed(bob), ['For both', 'For all']);
  expect(await ann.evaluate(() => window.client.alerts.get().at(-1)?.data)).toEqual(data);
  expect(await publisher.getConnectionStats()).toMatchObject({ connections: 2, users: 2 });
});

describe.each(BOTH)('%s', (name) => {
  test('K8 K9 the words: Live, then after three seconds Reconnecting…, then Offline with a reason and a button', async () => {
    await using set = await stage();
    await using browser = await openBrowser(name);
    const page = app({ user: 'ann', ui: 'all', set: { backoff: [1_500], maxAttempts: 4, jitter: 'none' } });
    const tab = await browser.tab(set.page('ann', page));
    await live(tab);
    const says = async (): Promise<string> => /Live|Reconnecting…|Offline/.exec(await pageText(tab))?.[0] ?? 'nothing';
    await becomes('the word', says, 'Live');
    const cutAt = performance.now();
    set.wire.cut();
    await becomes('noticed', () => state(tab), 'retrying');
    expect(await says()).toBe('Live');
    await becomes('the word', says, 'Reconnecting…');
    expect(performance.now() - cutAt).toBeGreaterThan(2_900);
    await becomes('the word', says, 'Offline');
    set.wire.heal();
    await tab.click('belfry-connection [part=retry]');
    await becomes('the word', says, 'Live');
  });
});

test('K9 a page where nobody is signed in shows no word and no badge', async () => {
  await using set = await stage();
  await using browser = await openBrowser('chromium');
  const tab = await browser.tab(`${set.wire.url}${app({ user: '', ui: 'all' })}`);
  await until('the page runs', () => tab.evaluate(() => Boolean(window.client)));
  expect(await pageText(tab)).not.toMatch(/Live|Offline|Reconnecting|\d unread/);
  expect(set.site.upgrades).toBe(0);
});

test('a page without a build step has everything from the server itself', async () => {
  await using set = await stage();
  await using browser = await openBrowser('chromium');
  const tab = await browser.tab(set.page('ann', '/empty'));
  await tab.evaluate(() => {
    document.body.innerHTML =
      '<belfry-client user="ann"></belfry-client><belfry-bell></belfry-bell><belfry-toasts></belfry-toasts>';
    const script = document.createElement('script');
    script.type = 'module';
    script.src = '/sdk/auto.js';
    document.head.append(script);
  });
  await becomes('connections', () => set.belfry.connections('ann'), 1);
  await set.belfry.publish('ann', { title: 'Plain HTML' });
  await until('the toast', async () => (await pageText(tab)).includes('Plain HTML'));
  expect(tab.errors).toEqual([]);
});

test.skipIf(!nginxIsThere)(
  'K15 an idle tab behind nginx stays connected: heartbeats come twice within its time-out',
  async () => {
    const port = await freePort();
    const origins = [`http://127.0.0.1:${port}`];
    // As 30 seconds are to nginx's own 60.
    await using set = await stage({ origins, config: '[live]\nheartbeat_interval = "2s"\nheartbeat_timeout = "2s"\n' });
    await using nginx = await startNginx(port, set.wire.port, 4);
    await using browser = await openBrowser('chromium');
    const tab = await browser.tab(set.site.signIn('ann', app({ user: 'ann', set: { jitter: 'none' } }), nginx.url));
    await live(tab);
    await never('the connection is lost', async () => (await state(tab)) !== 'live' || set.site.upgrades > 1, 10_000);
    await set.belfry.publish('ann', { title: 'Still here' });
    await becomes('presented', () => presented(tab), ['Still here']);
  },
);
