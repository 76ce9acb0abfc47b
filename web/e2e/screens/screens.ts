/** Pictures of what a person sees, for `docs/screens`: each page in light and dark, wide and narrow. */

import { fileURLToPath } from 'node:url';
import { beforeAll, test } from 'vitest';
import { Chromium, type ChromiumTab } from '../support/browsers.js';
import { buildFlyerDeals, toasts as dealToasts, FlyerDeals } from '../support/flyer-deals.js';
import { accounts, buildKordant, find, Kordant, toasts } from '../support/kordant.js';
import { until } from '../support/wait.js';

const folder = fileURLToPath(new URL('../../../docs/screens/', import.meta.url));

const looks = [
  { look: 'wide-light', width: 1280, height: 800, scheme: 'light' },
  { look: 'narrow-dark', width: 390, height: 844, scheme: 'dark' },
] as const;

/** Gives the page a size and a scheme, as a device would. */
async function dress(tab: ChromiumTab, { width, height, scheme }: (typeof looks)[number]): Promise<void> {
  await tab.cdp.send('Emulation.setDeviceMetricsOverride', {
    width,
    height,
    deviceScaleFactor: 1,
    mobile: width < 600,
  });
  await tab.cdp.send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] });
}

/** Waits until nothing moves any more, and takes the picture. */
async function picture(tab: ChromiumTab, name: string): Promise<void> {
  await tab.until('nothing moves', () => document.getAnimations().every((one) => one.playState !== 'running'));
  await tab.screenshot(`${folder}${name}.png`);
}

beforeAll(async () => {
  await buildFlyerDeals();
  await buildKordant();
}, 240_000);

test.each(looks)('the family-security application, $look', async (look) => {
  await using kordant = await Kordant.start();
  await using browser = await Chromium.open();
  const tab = await browser.tab();
  await dress(tab, look);
  await kordant.signIn(tab, 'ann');
  await find(tab, 'SpamShield', 'ann');
  await until('the first row', async () => (await accounts(tab)).length === 1);
  await find(tab, 'DarkWatch', 'dora');
  await until('the second row', async () => (await accounts(tab)).length === 2);
  await until('a toast', async () => (await toasts(tab)).length > 0);
  await picture(tab, `kordant-${look.look}`);
  await tab.click('belfry-bell button');
  await picture(tab, `kordant-bell-${look.look}`);
});

test.each(looks)('the grocery-deals application, $look', async (look) => {
  await using shop = await FlyerDeals.start();
  await using browser = await Chromium.open();
  const tab = await browser.tab();
  await dress(tab, look);
  await shop.signIn(tab, 'Ann', '/office');
  await shop.live(tab);
  await shop.publisher.broadcastToAll({
    kind: 'system-message',
    data: { message: 'Prices are checked against the shelves tonight.', severity: 'info' },
  });
  await shop.nextFlyer(tab);
  await until('a toast', async () => (await dealToasts(tab)).length > 0);
  await picture(tab, `flyer-deals-${look.look}`);
  await tab.click('belfry-bell button');
  await picture(tab, `flyer-deals-bell-${look.look}`);
});
