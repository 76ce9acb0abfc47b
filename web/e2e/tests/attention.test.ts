/** When and how loudly somebody is told: do-not-disturb, sound, motion, tabs out of sight, people who are not there. */

import { createServer } from 'node:http';
import { describe, expect, test } from 'vitest';
import { app, listed, live, pageText, presented, settled, unread } from '../support/app.js';
import { BOTH, Chromium, Firefox, openBrowser, type Tab } from '../support/browsers.js';
import { listen } from '../support/ports.js';
import { type Stage, stage } from '../support/stage.js';
import { becomes, never, until } from '../support/wait.js';

const page = app({ user: 'ann', ui: 'toasts' });
const chimes = (tab: Tab): Promise<number> => tab.evaluate(() => window.seen.chimes);
/** A backend that is called where nobody confirmed an alert in time, and the server that calls it. */
async function ladder(): Promise<AsyncDisposable & { set: Stage; called: string[] }> {
  const called: string[] = [];
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += String(chunk);
    called.push(text);
    response.writeHead(204).end();
  });
  const port = await listen(server);
  const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
  const set = await stage({
    // Whoever has left is away at once.
    config: `[live]\nlinger = "0s"\nlinger_after_start = "0s"\n[webhook]\nurl = "http://127.0.0.1:${port}/"\nsecret = "${secret}"\n`,
    kinds: {
      'note.toml': `kind = "note"
[templates.en]
title = "A note"
[[ladder]]
channel = "live"
wait = "2s"
until = "displayed"
[[ladder]]
channel = "webhook"
`,
    },
  });
  return {
    set,
    called,
    async [Symbol.asyncDispose]() {
      await set[Symbol.asyncDispose]();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test('B3 somebody is there: what was shown goes no further', async () => {
  await using house = await ladder();
  await using browser = await openBrowser('chromium');
  const tab = await browser.tab(house.set.page('ann', page));
  await live(tab);
  await tab.click('h1');
  const id = await house.set.belfry.publish('ann', { title: 'Seen' });
  await becomes('the receipt', async () => (await house.set.belfry.trace(id)).level, 'displayed');
  // The next alert's ladder runs out; this one's, which began earlier, never calls.
  await tab.close();
  await becomes('connections', () => house.set.belfry.connections('ann'), 0);
  const later = await house.set.belfry.publish('ann', { title: 'Nobody is left' });
  await until('the later one has gone out', () => house.called.length > 0, 30_000);
  expect(house.called.every((text) => text.includes(later) && !text.includes(id))).toBe(true);
});

test('B3 a forgotten tab in full sight does not silence the phone', async () => {
  await using house = await ladder();
  await using browser = await openBrowser('chromium');
  const tab = await browser.tab(house.set.page('ann', page));
  await live(tab);
  const id = await house.set.belfry.publish('ann', { title: 'Nobody looks' });
  await becomes('presented', () => presented(tab), ['Nobody looks']);
  await until('it has gone out', () => house.called.some((text) => text.includes(id)), 20_000);
  expect((await house.set.belfry.trace(id)).level).toBe('received');
  // Somebody comes back, and finds it there.
  await tab.click('h1');
  await becomes(
    'the receipt',
    async () => {
      const { levels } = await house.set.belfry.trace(id);
      return levels.some(({ level }) => level === 'displayed');
    },
    true,
  );
});

test('B3 a tab in the background does not silence it either, and does not make it wait', async () => {
  await using house = await ladder();
  await using browser = await openBrowser('chromium');
  const tab = await browser.tab(house.set.page('ann', page));
  await live(tab);
  await tab.click('h1');
  await browser.tab('about:blank');
  await becomes('out of sight', () => tab.evaluate(() => document.visibilityState), 'hidden');
  const id = await house.set.belfry.publish('ann', { title: 'Out of sight' });
  await until('it has gone out', () => house.called.some((text) => text.includes(id)), 20_000);
  await becomes('the list', () => listed(tab), ['Out of sight']);
});

describe.each(BOTH)('%s', (name) => {
  test('K11 do-not-disturb: no toast and no sound, the badge counts, and one summary when it ends', async () => {
    await using set = await stage({
      kinds: {
        'note.toml': 'kind = "note"\n[templates.en]\ntitle = "A note"\n',
        'fire.toml': 'kind = "fire"\nbreaks_through = true\nseverity = "critical"\n[templates.en]\ntitle = "Fire"\n',
        'leak.toml': 'kind = "leak"\nseverity = "critical"\n[templates.en]\ntitle = "Leak"\n',
      },
    });
    await using browser = await openBrowser(name);
    const tab = await browser.tab(set.page('ann', page));
    await live(tab);
    await tab.click('h1');
    await tab.evaluate(() => window.client.setDoNotDisturb({ until: 'on' }));
    await tab.until('it is on', () => window.client.doNotDisturb.get().active);
    await set.belfry.publish('ann', { title: 'One' });
    await set.belfry.publish('ann', { title: 'Two', kind: 'leak' });
    await becomes('the badge', () => unread(tab), 2);
    expect([await presented(tab), await chimes(tab)]).toEqual([[], 0]);
    await set.belfry.publish('ann', { title: 'Fire', kind: 'fire' });
    await becomes('presented', () => presented(tab), ['Fire']);
    await tab.evaluate(() => window.client.setDoNotDisturb({ until: 'off' }));
    const summary = await tab.until('the summary', () => window.seen.presented.find((one) => one.summary > 0));
    expect(summary).toMatchObject({ summary: 2, sound: false });
    await set.belfry.publish('ann', { title: 'Three' });
    await becomes('presented', () => presented(tab), ['Fire', null, 'Three']);
  });
});

test('K10 sound waits for a first gesture, comes with the alert, and not for each of many', async () => {
  await using set = await stage();
  await using browser = await openBrowser('chromium');
  const tab = await browser.tab(
    set.page('ann', app({ user: 'ann', ui: 'toasts', set: { attention: { sound: true } } })),
  );
  await live(tab);
  expect(await tab.evaluate(() => window.client.sound.get())).toEqual({ enabled: true, blocked: true });
  await tab.click('h1');
  await becomes('unblocked', () => tab.evaluate(() => window.client.sound.get().blocked), false);
  const own = await browser.tab(set.page('ann', page));
  await settled([tab, own]);
  await own.click('h1');
  for (const title of ['1', '2', '3']) await set.belfry.publish('ann', { title });
  await becomes('presented', () => presented(own), ['1', '2', '3']);
  expect(await chimes(own)).toBe(1);
  await own.evaluate(() => window.client.setSound(false));
  await becomes('the other tab knows', () => tab.evaluate(() => window.client.sound.get().enabled), false);
  await never('a muted alert sounds', async () => (await chimes(own)) > 1, 300);
});

test('K10 prefers-reduced-motion silences the sound and stills what moves', async () => {
  await using set = await stage();
  await using browser = await Chromium.open();
  const tab = await browser.tab();
  await tab.page.emulateMedia({ reducedMotion: 'reduce' });
  await tab.goto(set.page('ann', app({ user: 'ann', ui: 'all' })));
  await live(tab);
  await tab.click('h1');
  await set.belfry.publish('ann', { title: 'Calm' });
  await becomes('presented', () => presented(tab), ['Calm']);
  expect(await chimes(tab)).toBe(0);
  expect(await running(tab)).toEqual([]);
});

test('K10 firefox: prefers-reduced-motion silences the sound and stills what moves', async () => {
  await using set = await stage();
  await using browser = await Firefox.open({ prefs: { 'ui.prefersReducedMotion': 1 } });
  const tab = await browser.tab(set.page('ann', app({ user: 'ann', ui: 'all' })));
  await live(tab);
  await tab.click('h1');
  await set.belfry.publish('ann', { title: 'Calm' });
  await becomes('presented', () => presented(tab), ['Calm']);
  expect(await chimes(tab)).toBe(0);
  expect(await running(tab)).toEqual([]);
});

test('K9 what moves when an alert comes is still again within five seconds', async () => {
  await using set = await stage();
  await using browser = await openBrowser('chromium');
  const tab = await browser.tab(set.page('ann', app({ user: 'ann', ui: 'all' })));
  await live(tab);
  await set.belfry.publish('ann', { title: 'Moving' });
  await becomes('presented', () => presented(tab), ['Moving']);
  const endless = await tab.evaluate(
    () =>
      document
        .getAnimations()
        .filter((animation) => animation.effect?.getComputedTiming().endTime === Number.POSITIVE_INFINITY).length,
  );
  expect(endless).toBe(0);
  await becomes('all is still', () => running(tab), [], 6_000);
});

test('every tab is out of sight: a notification of the system, and none where nobody allowed it', async () => {
  await using set = await stage();
  await using browser = await Chromium.open({ notifications: true });
  const tab = await browser.tab(set.page('ann', page));
  await live(tab);
  await tab.evaluate(async () => {
    await navigator.serviceWorker.register('/sdk/sw.js', { scope: '/sdk/' });
    const { prototype } = ServiceWorkerRegistration;
    const show = prototype.showNotification;
    prototype.showNotification = async function (title, options) {
      await show.call(this, title, options);
      window.seen.opened.push(title);
    };
  });
  const blank = await browser.tab('about:blank');
  await becomes('out of sight', () => tab.evaluate(() => document.visibilityState), 'hidden');
  const id = await set.belfry.publish('ann', { title: 'Out of sight' });
  const tray = (): Promise<string[]> =>
    tab.evaluate(async () => {
      const registration = await navigator.serviceWorker.getRegistration('/sdk/');
      return (await registration?.getNotifications())?.map(({ tag }) => tag) ?? [];
    });
  // Asked too early, Chromium forgets a notification that is still on its way to the screen.
  await becomes('it is shown', () => tab.evaluate(() => window.seen.opened), ['Out of sight']);
  expect([await tray(), await presented(tab)]).toEqual([[id], []]);
  await set.belfry.call({ user: 'ann' }, 'POST', '/v1/inbox/state', { state: 'read', ids: [id] });
  await becomes('the tray', tray, []);
  await blank.close();
});

test('what somebody reads elsewhere leaves the screen', async () => {
  await using set = await stage();
  await using browser = await openBrowser('chromium');
  const tab = await browser.tab(set.page('ann', page));
  await live(tab);
  const id = await set.belfry.publish('ann', { title: 'Once' });
  await becomes('presented', () => presented(tab), ['Once']);
  const shown = async (): Promise<boolean> => (await pageText(tab)).includes('Once');
  await becomes('on screen', shown, true);
  await set.belfry.call({ user: 'ann' }, 'POST', '/v1/inbox/state', { state: 'read', ids: [id] });
  await becomes('off screen', shown, false);
});

/** Names of animations that run, in shadow roots as well. */
function running(tab: Tab): Promise<string[]> {
  return tab.evaluate(() =>
    document
      .getAnimations()
      .filter(({ playState, effect }) => playState === 'running' && Number(effect?.getComputedTiming().duration) > 50)
      .map((animation) => (animation instanceof CSSAnimation ? animation.animationName : 'transition')),
  );
}
