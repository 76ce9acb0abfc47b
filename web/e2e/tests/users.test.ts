/** Nobody sees what is somebody else's, whoever signs in where. */

import { describe, expect, test } from 'vitest';
import { app, listed, live, presented, state, unread } from '../support/app.js';
import { BOTH, openBrowser, type Tab } from '../support/browsers.js';
import { stage } from '../support/stage.js';
import { becomes, until } from '../support/wait.js';

/** Everything that this tab ever got to see. */
const frames = (tab: Tab): Promise<string> => tab.evaluate(() => JSON.stringify(window.seen.frames));

describe.each(BOTH)('%s', (name) => {
  test('F15 K2 bob signs in beside ann: her tab shows no frame of his', async () => {
    await using set = await stage();
    await using browser = await openBrowser(name);
    const ann = await browser.tab(set.page('ann', app({ user: 'ann' })));
    await live(ann);
    await set.belfry.publish('ann', { title: 'Hers' });
    await becomes('her list', () => listed(ann), ['Hers']);
    // The same cookies: from here on every request of both tabs is bob's.
    const bob = await browser.tab(set.page('bob', app({ user: 'bob' })));
    await live(bob);
    await set.belfry.publish('bob', { title: 'His first' });
    await becomes('his list', () => listed(bob), ['His first']);
    expect(await listed(ann)).toEqual(['Hers']);

    set.wire.heal();
    await becomes('her tab has stopped', () => state(ann), 'stopped');
    await live(bob);
    await set.belfry.publish('bob', { title: 'His second' });
    await becomes('his list', () => listed(bob), ['His first', 'His second']);

    expect(await ann.evaluate(() => window.client.connection.get().error?.code)).toBe('user-changed');
    expect(await frames(ann)).not.toContain('His');
    expect([await listed(ann), await unread(ann)]).toEqual([[], 0]);
    expect(await frames(bob)).not.toContain('Hers');
  });

  test('where the page does not know its user, its tab becomes that of whoever the cookie is', async () => {
    await using set = await stage();
    await using browser = await openBrowser(name);
    const tab = await browser.tab(set.page('ann', app()));
    await live(tab);
    expect(await tab.evaluate(() => window.client.user.get())).toBe('ann');
    await set.belfry.publish('ann', { title: 'Hers' });
    await becomes('presented', () => presented(tab), ['Hers']);
  });
});

test('signing out in one tab signs out the others of that user, and leaves those of another', async () => {
  await using set = await stage();
  await using browser = await openBrowser('chromium');
  const mine = app({ user: 'ann', auth: 'token' });
  const [first, second] = [await browser.tab(set.page('ann', mine)), await browser.tab(set.page('ann', mine))];
  await live(first, second);
  const bob = await browser.tab(set.page('bob', app({ user: 'bob', auth: 'token' })));
  await live(bob);
  await set.belfry.publish('ann', { title: 'Hers' });
  await becomes('the list', () => listed(second), ['Hers']);
  await first.evaluate(() => window.client.identify(null));
  for (const tab of [first, second]) {
    await becomes('signed out', () => state(tab), 'idle');
    expect([await listed(tab), await unread(tab)]).toEqual([[], 0]);
  }
  await becomes("ann's connections", () => set.belfry.connections('ann'), 0);
  expect(await state(bob)).toBe('live');
});

test('switching the user in one tab shows the other inbox and nothing of the first', async () => {
  await using set = await stage();
  await using browser = await openBrowser('chromium');
  await set.belfry.publish('bob', { title: 'His' });
  const tab = await browser.tab(set.page('ann', app({ user: 'ann', auth: 'token' })));
  await live(tab);
  await set.belfry.publish('ann', { title: 'Hers' });
  await becomes('the list', () => listed(tab), ['Hers']);
  await tab.evaluate(
    async (url) => {
      await fetch(url);
      await window.client.identify('bob');
    },
    set.page('bob', '/app?hold=no'),
  );
  await live(tab);
  await becomes('the list', () => listed(tab), ['His']);
  expect(await unread(tab)).toBe(1);
});

test('a page of nobody stays silent', async () => {
  await using set = await stage();
  await using browser = await openBrowser('chromium');
  const tab = await browser.tab(`${set.wire.url}${app({ user: '' })}`);
  await until('the page runs', () => tab.evaluate(() => Boolean(window.client)));
  expect([await state(tab), set.site.upgrades]).toEqual(['idle', 0]);
});
