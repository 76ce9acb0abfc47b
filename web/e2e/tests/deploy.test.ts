/** A page that was loaded before a deploy, and files that are gone since. */

import type { Client } from '@belfry/client';
import { describe, expect, test } from 'vitest';
import { BOTH, openBrowser, type Tab } from '../support/browsers.js';
import { stage } from '../support/stage.js';
import { becomes, until } from '../support/wait.js';

const CONFIG = (url: string): string => `[web_push]
subject = "mailto:push@shop.example"
default_link = "${url}/"
`;

/** Loads the SDK as the server hands it out, into a page without any. */
async function begin(tab: Tab): Promise<void> {
  await tab.evaluate(() => {
    document.addEventListener('belfry-ready', (event) => {
      window.client = (event as CustomEvent<{ client: Client }>).detail.client;
      window.client.hold();
    });
    const script = Object.assign(document.createElement('script'), { type: 'module', src: '/sdk/auto.js' });
    document.body.append(document.createElement('belfry-toasts'), script);
  });
  await becomes('live', () => tab.evaluate(() => window.client?.connection.get().state), 'live');
}
/** How a request for push ends: its state, or what is said instead. */
const push = (tab: Tab): Promise<string> =>
  tab.evaluate(() =>
    window.client.push.disable().then(
      () => 'done',
      (error: Error) => error.message,
    ),
  );

describe.each(BOTH)('%s', (name) => {
  test('a part that is gone says so, the connection goes on, and the part is asked for again', async () => {
    await using set = await stage({ config: CONFIG });
    await using browser = await openBrowser(name);
    const tab = await browser.tab(set.page('ann', '/empty'));
    // A browser that may show notifications asks for this at the start already.
    set.site.gone = /\/chunks\/push-/;
    await begin(tab);
    expect(await push(tab)).toMatch(/; reload the page if this stays so$/);
    expect(await push(tab)).toMatch(/; reload the page if this stays so$/);
    await set.belfry.publish('ann', { title: 'After the deploy' });
    await until('a toast', () =>
      tab.evaluate(() =>
        document.querySelector('belfry-toast-region')?.shadowRoot?.textContent?.includes('After the deploy'),
      ),
    );
    expect(await tab.evaluate(() => window.client.connection.get().state)).toBe('live');
    set.site.gone = null;
    expect(await push(tab)).toBe('done');
  });
});
