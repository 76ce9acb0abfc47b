/** One origin while one develops, too: the development servers of both examples hand Belfry's paths on, sockets included. */

import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test } from 'vitest';
import { Chromium } from '../support/browsers.js';
import { Dev, end, launch } from '../support/dev.js';
import { buildFlyerDeals, toasts as dealToasts } from '../support/flyer-deals.js';
import { buildKordant, find, Kordant, toasts } from '../support/kordant.js';
import { freePort } from '../support/ports.js';
import { until } from '../support/wait.js';

const flyerDeals = fileURLToPath(new URL('../../examples/flyer-deals-react', import.meta.url));

/** The server's own word, through the page's origin. */
const asked = async (url: string): Promise<number[]> =>
  Promise.all(['/v1/inbox', '/sdk/sw.js'].map(async (path) => (await fetch(url + path)).status));

beforeAll(async () => {
  await buildFlyerDeals();
  await buildKordant();
}, 240_000);

test('Vite in front of Express', async () => {
  const [shop, vite, dev] = await Promise.all([freePort(), freePort(), Dev.start(`${flyerDeals}/kinds`)]);
  const env = { NODE_ENV: 'development', VITE_PORT: String(vite), BELFRY_DATA_DIR: dev.folder };
  const child = await launch(flyerDeals, 'dist/server/dev.js', {
    port: shop,
    path: '/api/people',
    env,
  });
  const url = `http://127.0.0.1:${vite}`;
  await using browser = await Chromium.open();
  try {
    await until('Vite answers', () =>
      fetch(url).then(
        (answer) => answer.ok,
        () => false,
      ),
    );
    const tab = await browser.tab(`${url}/office`);
    await tab.click('.sign-in button:text-is("Ann")');
    await tab.until('the word Live', () =>
      document.querySelector('belfry-connection')?.shadowRoot?.textContent?.includes('Live'),
    );
    await tab.click('section button:text-is("Next flyer")');
    await until('a toast', async () => (await dealToasts(tab)).length > 0);
    expect(await asked(url)).toEqual([401, 200]);
  } finally {
    await end(child);
    await dev[Symbol.asyncDispose]();
  }
});

test('SolidStart', async () => {
  await using kordant = await Kordant.start('dev');
  await using browser = await Chromium.open();
  const tab = await browser.tab();
  await kordant.signIn(tab, 'ann');
  await find(tab, 'DarkWatch', 'ann');
  await until('a toast', async () => (await toasts(tab)).length > 0);
  expect(await asked(kordant.url)).toEqual([401, 200]);
});
