/** What the team of the grocery-deal application planned, in that application. */

import axe from 'axe-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { Chromium, type ChromiumTab } from '../support/browsers.js';
import { badge, banner, buildFlyerDeals, FlyerDeals, toasts } from '../support/flyer-deals.js';
import { becomes, never, until } from '../support/wait.js';

beforeAll(buildFlyerDeals, 240_000);

const open = async (shop: FlyerDeals, browser: Chromium, name: string, path = '/office'): Promise<ChromiumTab> => {
  const tab = await browser.tab();
  await shop.signIn(tab, name, path);
  await shop.live(tab);
  return tab;
};

const sonners = (tab: ChromiumTab): Promise<string[]> =>
  tab.evaluate(() => [...document.querySelectorAll('[data-sonner-toast]')].map((toast) => toast.textContent ?? ''));

describe('Active Deal Alerts', () => {
  test('F10 one call: a toast with the best two prices, a number, a row; others get their own', async () => {
    await using shop = await FlyerDeals.start();
    await using anns = await Chromium.open();
    await using bobs = await Chromium.open();
    const [ann, bob] = [await open(shop, anns, 'Ann'), await open(shop, bobs, 'Bob')];
    await shop.nextFlyer(ann);
    await until('a toast of Ann', async () => (await toasts(ann)).length === 1);
    const [toast] = await toasts(ann);
    expect(toast).toContain('2 deals on your list');
    expect(toast).toContain('Oat milk, Greenleaf Grocers€1.29');
    await becomes('the number', () => badge(ann), 1);
    await until('a toast of Bob', async () => (await toasts(bob)).length === 1);
    // The other way of writing prices, and nothing of Ann's.
    expect((await toasts(bob))[0]).toMatch(/Tofu, 400 g, Greenleaf Grocers1,89\s€/);
    expect((await toasts(bob))[0]).not.toContain('Oat milk');
    for (const tab of [ann, bob]) expect(tab.errors).toEqual([]);
  });

  test('F11 who was away finds it stored, and is not toasted for the past', async () => {
    await using shop = await FlyerDeals.start();
    await using anns = await Chromium.open();
    await using cleos = await Chromium.open();
    const ann = await open(shop, anns, 'Ann');
    await shop.nextFlyer(ann);
    await until('it is published', async () => (await toasts(ann)).length === 1);
    const cleo = await open(shop, cleos, 'Cleo', '/deals');
    await becomes('the number', () => badge(cleo), 1);
    await cleo.until('the deal', () => document.querySelector('.deals')?.textContent?.includes('Avocados'));
    await never('a toast', async () => (await toasts(cleo)).length > 0, 1_000);
  });

  test('a single deal leads to itself, in the same document', async () => {
    await using shop = await FlyerDeals.start();
    await using browser = await Chromium.open();
    const bob = await open(shop, browser, 'Bob');
    await shop.nextFlyer(bob);
    await until('the first toast', async () => (await toasts(bob)).length === 1);
    await bob.evaluate(() => Object.assign(window, { sameDocument: true }));
    await bob.click('belfry-toast-region [part~=toast] a');
    await bob.until('the deal is marked', () =>
      document.querySelector('.deals [aria-current]')?.textContent?.includes('Tofu'),
    );
    expect(await bob.evaluate(() => 'sameDocument' in window)).toBe(true);
    await becomes('the number', () => badge(bob), 0);
  });

  test('K14 F7 a shop that is started anew and a cut network lose nothing', async () => {
    await using shop = await FlyerDeals.start();
    await using browser = await Chromium.open();
    const ann = await open(shop, browser, 'Ann');
    await shop.restartShop();
    shop.wire.cut();
    await shop.publisher.broadcastToAll({ kind: 'system-message', data: { message: 'We moved.', severity: 'info' } });
    shop.wire.heal();
    await becomes('the banner', () => banner(ann), 'We moved.', 30_000);
    await shop.live(ann);
    await shop.nextFlyer(ann);
    await until('a toast', async () => (await toasts(ann)).length === 1);
  });
});

test('F4 an announcement is a banner for everyone, and is dismissed once for all tabs', async () => {
  await using shop = await FlyerDeals.start();
  await using anns = await Chromium.open();
  await using bobs = await Chromium.open();
  const ann = await open(shop, anns, 'Ann');
  const second = await anns.tab(`${shop.url}/deals`);
  await shop.live(second);
  const bob = await open(shop, bobs, 'Bob');
  await ann.front();
  await ann.click('button:text-is("Announce")');
  for (const tab of [ann, second, bob]) {
    await until('the banner', async () => (await banner(tab)).startsWith('Prices are updated'));
  }
  await ann.click('belfry-announcement [part=close]');
  for (const tab of [ann, second]) await becomes('no banner', () => banner(tab), '');
  expect(await banner(bob)).not.toBe('');
  expect(await toasts(bob)).toEqual([]);
});

test('F5 a job that is done leads to its result', async () => {
  await using shop = await FlyerDeals.start();
  await using browser = await Chromium.open();
  const ann = await open(shop, browser, 'Ann', '/watch-list');
  await ann.click('button:text-is("Import")');
  await ann.until('the result', () => document.querySelector('.state.succeeded') !== null);
  const job = await ann.evaluate(() => location.pathname);
  await ann.click('nav a[href="/deals"]');
  await until('a toast', async () => (await toasts(ann)).some((text) => text.includes('Import of your watch list')));
  await ann.click('belfry-toast-region [part~=toast] a');
  await ann.until('the page of the job', () => document.querySelector('.state.succeeded') !== null);
  expect(await ann.evaluate(() => location.pathname)).toBe(job);
});

test('F9 a handler with `present` and an own toaster show each alert once per browser', async () => {
  await using shop = await FlyerDeals.start();
  await using browser = await Chromium.open();
  const office = await browser.tab();
  await shop.signIn(office, 'Ann', '/office');
  await shop.live(office);
  // Only tabs with a toaster of their own are left to show it.
  const first = await browser.tab(`${shop.url}/sonner.html`);
  const second = await browser.tab(`${shop.url}/sonner.html`);
  for (const tab of [first, second]) await becomes('the number', () => badge(tab), 0);
  await office.goto('about:blank');
  await second.front();
  await second.evaluate(async () => {
    await fetch('/api/office/next-flyer', { method: 'POST' });
  });
  for (const tab of [first, second]) await becomes('the number', () => badge(tab), 1);
  const shown = async (): Promise<string[]> => [...(await sonners(first)), ...(await sonners(second))];
  await until('a toast', async () => (await shown()).length === 1);
  expect((await shown())[0]).toContain('Oat milk €1.29 at Greenleaf Grocers');
  await never('a second toast', async () => (await shown()).length > 1, 1_000);
  await shop.publisher.publishAlert('ann', {
    kind: 'job-completed',
    data: {
      job_id: '7',
      job_name: 'Import',
      status: 'succeeded',
      message: 'Done.',
      finished_at: '2026-11-30T10:00:00Z',
    },
  });
  await until('the other toast', async () => (await shown()).some((text) => text.includes('Import is done')));
  await never('a third toast', async () => (await shown()).length > 2, 1_000);
  for (const tab of [first, second]) expect(tab.errors).toEqual([]);
});

test('its pages have no flaw that a program finds', async () => {
  await using shop = await FlyerDeals.start();
  await using browser = await Chromium.open();
  const ann = await open(shop, browser, 'Ann');
  await shop.nextFlyer(ann);
  await ann.click('button:text-is("Announce")');
  await until('a toast', async () => (await toasts(ann)).length === 1);
  for (const path of ['/office', '/deals', '/watch-list', '/sonner.html']) {
    if (path !== '/office') await ann.goto(shop.url + path);
    await ann.until('a heading', () => document.querySelector('h1') !== null);
    await ann.page.addScriptTag({ content: axe.source });
    const flaws = await ann.evaluate(async () => {
      const { axe } = window as unknown as { axe: typeof import('axe-core') };
      const { violations } = await axe.run();
      return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
    });
    expect(flaws, path).toEqual([]);
  }
});
