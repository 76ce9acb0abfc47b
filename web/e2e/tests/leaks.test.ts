/** Pages that live long: what was mounted and left, and what was connected and let go, is gone. */

import { expect, test } from 'vitest';
import { app, live, presented, state } from '../support/app.js';
import { Chromium, type ChromiumTab, openBrowser } from '../support/browsers.js';
import { stage } from '../support/stage.js';
import { becomes, until } from '../support/wait.js';

/** How many objects of this prototype are alive after a collection. */
async function alive({ cdp }: ChromiumTab, prototype: string): Promise<number> {
  await cdp.send('HeapProfiler.collectGarbage');
  const { result } = await cdp.send('Runtime.evaluate', { expression: prototype, objectGroup: 'count' });
  const { objects } = await cdp.send('Runtime.queryObjects', {
    prototypeObjectId: result.objectId ?? '',
    objectGroup: 'count',
  });
  const { result: length } = await cdp.send('Runtime.callFunctionOn', {
    objectId: objects.objectId ?? '',
    functionDeclaration: 'function () { return this.length }',
  });
  await cdp.send('Runtime.releaseObjectGroup', { objectGroup: 'count' });
  return length.value as number;
}

/** Bytes in use after a collection. */
async function heap({ cdp }: ChromiumTab): Promise<number> {
  await cdp.send('HeapProfiler.collectGarbage');
  return (await cdp.send('Runtime.getHeapUsage')).usedSize;
}

test('a thousand mounts and unmounts of every element leave nothing behind', async () => {
  // Every banner asks for its list, which so many in a moment would not be granted.
  const config = '[limits]\nrequests_per_second_per_user = 10000\nrequests_burst_per_user = 10000\n';
  await using set = await stage({ config });
  await using browser = await Chromium.open();
  const tab = await browser.tab(set.page('ann', app({ user: 'ann', ui: 'toasts' })));
  await live(tab);
  await set.belfry.publish('ann', { title: 'Something to show' });
  await becomes('presented', () => presented(tab), ['Something to show']);
  const tags = ['bell', 'inbox', 'connection', 'sound', 'do-not-disturb', 'push-prompt', 'toasts', 'announcement'];
  const mount = (times: number): Promise<void> =>
    tab.evaluate(
      async ([tags, times]) => {
        for (let at = 0; at < times; at++) {
          const nodes = tags.map((tag) => document.createElement(`belfry-${tag}`));
          document.body.append(...nodes);
          await Promise.resolve();
          for (const node of nodes) node.remove();
        }
        // Who leaves does so in a task of its own.
        await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
      },
      [tags, times] as const,
    );
  const count = async (): Promise<Record<string, number>> => {
    const counts: Record<string, number> = {};
    for (const tag of tags) counts[tag] = await alive(tab, `customElements.get('belfry-${tag}').prototype`);
    return counts;
  };
  await mount(10);
  const before = await count();
  const bytes = await heap(tab);
  await mount(1_000);
  await becomes('elements that are alive', count, before);
  // A thousand of anything kept, were it only a listener, is more than this. Requests of banners end by themselves.
  await until('what is over is let go', async () => (await heap(tab)) - bytes < 400_000, 30_000);
  expect(tab.errors).toEqual([]);
});

test('K13 a hundred connections leave nothing behind', async () => {
  await using set = await stage();
  await using browser = await Chromium.open();
  const tab = await browser.tab(set.page('ann', app({ user: 'ann' })));
  await live(tab);
  const cycle = (times: number): Promise<void> =>
    tab.evaluate(async (times) => {
      for (let at = 0; at < times; at++) {
        window.client.disconnect();
        window.client.connect();
        await new Promise<void>((resolve) => {
          const stop = window.client.connection.subscribe(({ state }) => {
            if (state !== 'live') return;
            stop();
            resolve();
          });
        });
      }
      window.seen.frames.length = 0;
      window.seen.states.length = 0;
    }, times);
  await cycle(10);
  const bytes = await heap(tab);
  await cycle(100);
  expect(await state(tab)).toBe('live');
  await becomes('sockets', () => alive(tab, 'WebSocket.prototype'), 1);
  // One for the tabs, one for tokens, one for claims where there is no store.
  expect(await alive(tab, 'BroadcastChannel.prototype')).toBeLessThanOrEqual(3);
  expect((await heap(tab)) - bytes).toBeLessThan(300_000);
  expect(await set.belfry.connections('ann')).toBe(1);
});

test('F8 K8 strict mode mounts twice and connects once; leaving the page part leaves nothing', async () => {
  await using set = await stage();
  await using browser = await openBrowser('chromium');
  const tab = await browser.tab(set.page('ann', '/react?user=ann'));
  const status = (): Promise<string | undefined> =>
    tab.evaluate(() => document.querySelector('#status')?.textContent ?? undefined);
  await becomes('the hook', status, 'connected');
  await set.belfry.publish('ann', { title: 'Once' });
  await becomes('its own toaster', () => tab.evaluate(() => window.toasted), ['Once']);
  await becomes('the count', () => tab.evaluate(() => document.querySelector('#unread')?.textContent), '1');
  expect(set.site.upgrades).toBe(1);
  await tab.click('li button');
  await becomes('the count', () => tab.evaluate(() => document.querySelector('#unread')?.textContent), '0');
  await tab.click('#toggle');
  await becomes('connections', () => set.belfry.connections('ann'), 0);
  await tab.click('#toggle');
  await becomes('the hook', status, 'connected');
  expect([await set.belfry.connections('ann'), set.site.upgrades]).toEqual([1, 2]);
  expect(tab.errors).toEqual([]);
});
