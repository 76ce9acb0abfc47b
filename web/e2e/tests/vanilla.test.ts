/** A page without a script of its own: the elements alone, under a strict content security policy. */

import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { BOTH, openBrowser } from '../support/browsers.js';
import { Dev, end, launch } from '../support/dev.js';
import { badge, banner, toasts } from '../support/flyer-deals.js';
import { freePort } from '../support/ports.js';
import { becomes, until } from '../support/wait.js';

const examples = fileURLToPath(new URL('../../examples', import.meta.url));

test.each(BOTH)(
  'a ring is a toast, a number and a row, one for everyone a banner; nothing is refused (%s)',
  async (name) => {
    const [port, dev] = await Promise.all([freePort(), Dev.start(`${examples}/flyer-deals-react/kinds`)]);
    const page = await launch(`${examples}/vanilla`, 'server.js', {
      port,
      path: '/',
      env: { BELFRY_DATA_DIR: dev.folder },
    });
    await using browser = await openBrowser(name);
    try {
      const tab = await browser.tab(`http://127.0.0.1:${port}/`);
      await tab.until('the word Live', () =>
        document.querySelector('belfry-connection')?.shadowRoot?.textContent?.includes('Live'),
      );
      await tab.click('button[type=submit]');
      await until('a toast', async () => (await toasts(tab)).length === 1);
      expect((await toasts(tab))[0]).toContain('The bell rang');
      await becomes('the number', () => badge(tab), 1);
      await tab.until(
        'a row',
        () => document.querySelector('belfry-inbox')?.shadowRoot?.querySelector('li')?.textContent,
      );
      await tab.click('input[name=everyone]');
      await tab.click('button[type=submit]');
      await becomes('the banner', () => banner(tab), 'The bells ring at noon.');
      expect(tab.errors).toEqual([]);
    } finally {
      await end(page);
      await dev[Symbol.asyncDispose]();
    }
  },
);
