/** Pictures of what a person sees, for `docs/screens`: each page in light and dark, wide and narrow. */

import { fileURLToPath } from 'node:url';
import { beforeAll, describe, test } from 'vitest';
import { Chromium, type ChromiumTab } from '../support/browsers.js';
import { Dev, end, launch } from '../support/dev.js';
import { buildFlyerDeals, toasts as dealToasts, FlyerDeals } from '../support/flyer-deals.js';
import { accounts, buildKordant, find, Kordant, toasts } from '../support/kordant.js';
import { freePort } from '../support/ports.js';
import { becomes, until } from '../support/wait.js';

const folder = fileURLToPath(new URL('../../../docs/screens/', import.meta.url));
const examples = fileURLToPath(new URL('../../examples', import.meta.url));

const wide = { width: 1280, height: 800 };
const narrow = { width: 390, height: 844 };
const looks = [
  { look: 'wide-light', ...wide, scheme: 'light' },
  { look: 'narrow-dark', ...narrow, scheme: 'dark' },
] as const;
/** The other way round, so that each screen is seen in each of the four somewhere. */
const others = [
  { look: 'wide-dark', ...wide, scheme: 'dark' },
  { look: 'narrow-light', ...narrow, scheme: 'light' },
] as const;
type Look = (typeof looks | typeof others)[number];

/** Gives the page a size and a scheme, as a device would. */
async function dress(tab: ChromiumTab, { width, height, scheme }: Look): Promise<void> {
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
  await tab.until('nothing moves', () => {
    const rests = (root: Document | ShadowRoot): boolean =>
      root.getAnimations().every((one) => one.playState !== 'running') &&
      [...root.querySelectorAll('*')].every(({ shadowRoot }) => !shadowRoot || rests(shadowRoot));
    return rests(document);
  });
  await tab.screenshot(`${folder}${name}.png`);
}

/** Opens the bell, and waits for what is in it. */
async function ring(tab: ChromiumTab): Promise<void> {
  await tab.click('belfry-bell button');
  await tab.until('rows in the panel', () => {
    const inbox = document.querySelector('belfry-bell')?.shadowRoot?.querySelector('belfry-inbox');
    return inbox?.shadowRoot?.querySelector('li');
  });
}

/** A tab of a fresh browser that looks like this. */
async function tabOf(browser: Chromium, look: Look): Promise<ChromiumTab> {
  const tab = await browser.tab();
  await dress(tab, look);
  return tab;
}

describe('the family-security application', () => {
  beforeAll(buildKordant, 240_000);

  test.each(looks)('its dashboard and its bell, $look', async (look) => {
    await using kordant = await Kordant.start();
    await using browser = await Chromium.open();
    const tab = await tabOf(browser, look);
    await kordant.signIn(tab, 'ann');
    await find(tab, 'SpamShield', 'ann');
    await until('the first row', async () => (await accounts(tab)).length === 1);
    await find(tab, 'DarkWatch', 'dora');
    await until('the second row', async () => (await accounts(tab)).length === 2);
    await until('a toast', async () => (await toasts(tab)).length > 0);
    await picture(tab, `kordant-${look.look}`);
    await ring(tab);
    await picture(tab, `kordant-bell-${look.look}`);
  });

  test.each(looks)('its first page, $look', async (look) => {
    await using kordant = await Kordant.start();
    await using browser = await Chromium.open();
    const tab = await tabOf(browser, look);
    await tab.goto(kordant.url);
    await tab.until('who signs in', () => document.querySelector('button[value="ann"]') !== null);
    await picture(tab, `kordant-sign-in-${look.look}`);
  });
});

describe('the grocery-deals application', () => {
  beforeAll(buildFlyerDeals, 240_000);

  test.each(looks)('its office and its bell, $look', async (look) => {
    await using shop = await FlyerDeals.start();
    await using browser = await Chromium.open();
    const tab = await tabOf(browser, look);
    await shop.signIn(tab, 'Ann', '/office');
    await shop.live(tab);
    await shop.publisher.broadcastToAll({
      kind: 'system-message',
      data: { message: 'Prices are checked against the shelves tonight.', severity: 'info' },
    });
    await shop.nextFlyer(tab);
    await until('a toast', async () => (await dealToasts(tab)).length > 0);
    await picture(tab, `flyer-deals-${look.look}`);
    await ring(tab);
    await picture(tab, `flyer-deals-bell-${look.look}`);
  });

  test.each(others)('its first page, and alerts in a toaster of its own, $look', async (look) => {
    await using shop = await FlyerDeals.start();
    await using browser = await Chromium.open();
    const tab = await tabOf(browser, look);
    await tab.goto(`${shop.url}/deals`);
    await tab.until('who signs in', () => document.querySelector('.sign-in button') !== null);
    await picture(tab, `flyer-deals-sign-in-${look.look}`);
    await shop.signIn(tab, 'Ann', '/deals');
    await shop.live(tab);
    await tab.goto(`${shop.url}/sonner.html`);
    await tab.until('a heading', () => document.querySelector('h1') !== null);
    await tab.evaluate(async () => {
      await fetch('/api/office/next-flyer', { method: 'POST' });
    });
    await tab.until('a toast', () => document.querySelector('[data-sonner-toast][data-mounted=true]') !== null);
    await picture(tab, `sonner-${look.look}`);
  });
});

test.each([...looks, ...others])('the page without a framework, and what a person sets, $look', async (look) => {
  const [port, dev] = await Promise.all([freePort(), Dev.start(`${examples}/flyer-deals-react/kinds`)]);
  const env = { BELFRY_DATA_DIR: dev.folder };
  const page = await launch(`${examples}/vanilla`, 'server.js', { port, path: '/', env });
  await using browser = await Chromium.open();
  try {
    const tab = await tabOf(browser, look);
    await tab.goto(`http://127.0.0.1:${port}/`);
    await tab.until('the word Live', () =>
      document.querySelector('belfry-connection')?.shadowRoot?.textContent?.includes('Live'),
    );
    await tab.click('button[type=submit]');
    await becomes('a toast', async () => (await dealToasts(tab)).length, 1);
    await picture(tab, `vanilla-${look.look}`);
    const parts = () =>
      ['belfry-push-prompt', 'belfry-preferences'].every((tag) =>
        document.querySelector(tag)?.shadowRoot?.querySelector('[part=prompt],[part=table]'),
      );
    await tab.until('question and table', parts);
    await tab.click('belfry-toast-region [part=close]');
    await tab.evaluate(() => window.scrollTo(0, document.body.scrollHeight));
    await picture(tab, `settings-${look.look}`);
  } finally {
    await end(page);
    await dev[Symbol.asyncDispose]();
  }
});
