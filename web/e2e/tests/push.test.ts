/** Web push from end to end: Firefox, a push service, the server's encryption and signature, and a real click. */

import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { app, listed, live, presented } from '../support/app.js';
import { Chromium, Firefox, type FirefoxTab, openBrowser } from '../support/browsers.js';
import { PushService } from '../support/push_service.js';
import { type Stage, stage } from '../support/stage.js';
import { becomes, never, until } from '../support/wait.js';

const page = app({ user: 'ann' });

/** A server that pushes as soon as nobody is there. */
function pushing(service: PushService): Promise<Stage> {
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }).d;
  return stage({
    config: (url) => `[web_push]
private_key = "${key}"
subject = "mailto:push@example.com"
private_hosts = ["${service.host}"]
[fallback]
app_url = "${url}"
public_url = "${url}"
[live]
linger = "0s"
linger_after_start = "0s"
`,
  });
}

const firefoxFor = (service: PushService): Promise<Firefox> =>
  Firefox.open({
    prefs: {
      'dom.push.enabled': true,
      'dom.push.connection.enabled': true,
      'dom.push.serverURL': service.socketUrl,
      'dom.push.testing.allowInsecureServerURL': true,
    },
  });

async function enabled(set: Stage, browser: Firefox, service: PushService): Promise<FirefoxTab> {
  const tab = await browser.tab(set.page('ann', page));
  await live(tab);
  expect(await tab.evaluate(() => window.client.push.enable())).toBe('on');
  expect(service.subscriptions).toBe(1);
  return tab;
}

describe('firefox', () => {
  test('K6 nobody is there: a notification is shown, its click opens the link and is seen on other devices', async () => {
    await using service = await PushService.start();
    await using set = await pushing(service);
    await using browser = await firefoxFor(service);
    const tab = await enabled(set, browser, service);
    await tab.goto(`${set.wire.url}/blank`);
    await becomes('nobody is there', () => set.belfry.connections('ann'), 0);

    const id = await set.belfry.publish('ann', { title: 'Oat milk', body: '1.49', link: '/blank?deal=7' });

    await becomes('the notification', () => browser.notifications(), ['Oat milk: 1.49']);
    expect(service.taken.map(({ urgency, ttl }) => [urgency, Number(ttl) > 0])).toEqual([['normal', true]]);
    await becomes('the receipt', async () => (await set.belfry.trace(id)).level, 'displayed');

    expect(await browser.clickNotification()).toBe(true);
    await until('the link is open', async () => (await browser.addresses()).includes(`${set.wire.url}/blank?deal=7`));
    await becomes('the receipt', async () => (await set.belfry.trace(id)).level, 'acted');
    await using other = await openBrowser('chromium');
    const phone = await other.tab(set.page('ann', page));
    await live(phone);
    const state = () => phone.evaluate(() => window.client.alerts.get()[0]?.state);
    expect(await state()).toMatchObject({ read: true, acted: true });
    expect([await presented(phone), (await set.belfry.delivery(id))?.state]).toEqual([[], 'sent']);
  });

  test('K6 the tab is out of sight: one notification, and its click leads to the tab', async () => {
    await using service = await PushService.start();
    await using set = await pushing(service);
    await using browser = await firefoxFor(service);
    const tab = await enabled(set, browser, service);
    await browser.tab('about:blank');
    await becomes('out of sight', () => tab.evaluate(() => document.visibilityState), 'hidden');
    const id = await set.belfry.publish('ann', { title: 'Oat milk', link: '/deals/7' });
    await until('the push', () => service.taken.length === 1);
    await until('the receipt', async () =>
      (await set.belfry.trace(id)).levels.some(({ level }) => level === 'displayed'),
    );
    expect(await browser.notifications()).toHaveLength(1);
    expect(await presented(tab)).toEqual([]);
    await browser.clickNotification();
    await becomes('the tab follows', () => tab.evaluate(() => window.seen.opened), ['/deals/7']);
    // Without a screen Firefox answers `focus()` and leaves the tab where it is, so that is not looked at.
    await becomes('read', () => tab.evaluate(() => window.client.alerts.get()[0]?.state.read), true);
    expect((await browser.addresses()).filter((address) => address.startsWith('http'))).toHaveLength(1);
  });

  test('B3 what somebody reads elsewhere leaves the tray', async () => {
    await using service = await PushService.start();
    await using set = await pushing(service);
    await using browser = await firefoxFor(service);
    const tab = await enabled(set, browser, service);
    await browser.tab('about:blank');
    await becomes('out of sight', () => tab.evaluate(() => document.visibilityState), 'hidden');
    const id = await set.belfry.publish('ann', { title: 'Oat milk' });
    await until('the push', () => service.taken.length === 1);
    await becomes('the notification', async () => (await browser.notifications()).length, 1);
    await set.belfry.call({ user: 'ann' }, 'POST', '/v1/inbox/state', { state: 'read', ids: [id] });
    await becomes('the tray', () => browser.notifications(), []);
  });

  test('B22 another user of the browser changes nothing; signing out ends the subscription', async () => {
    await using service = await PushService.start();
    await using set = await pushing(service);
    await using browser = await firefoxFor(service);
    const ann = await enabled(set, browser, service);
    const bob = await browser.tab(set.page('bob', app({ user: 'bob' })));
    await live(bob);
    const stateOf = (tab: FirefoxTab) => tab.evaluate(() => window.client.push.state.get());
    await becomes("bob's view", () => stateOf(bob), 'other-user');
    expect([service.subscriptions, await stateOf(ann)]).toEqual([1, 'on']);
    await bob.evaluate(() => window.client.identify(null));
    await never('her subscription ends', () => service.subscriptions !== 1, 300);
    await ann.evaluate(() => window.client.identify(null));
    await becomes('subscriptions', () => service.subscriptions, 0);
    const id = await set.belfry.publish('ann', { title: 'Too late' });
    await becomes('the device is forgotten', async () => (await set.belfry.devices('ann')).length, 0);
    expect([service.taken, await browser.notifications(), id.length > 0]).toEqual([[], [], true]);
  });

  test('a restart of the browser finds it on, and registers no second device', async () => {
    await using service = await PushService.start();
    await using set = await pushing(service);
    await using browser = await firefoxFor(service);
    const tab = await enabled(set, browser, service);
    const before = await set.belfry.devices('ann');
    await tab.reload();
    await live(tab);
    await becomes('the state', () => tab.evaluate(() => window.client.push.state.get()), 'on');
    expect(await set.belfry.devices('ann')).toEqual(before);
    expect(before).toHaveLength(1);
    await tab.evaluate(() => window.client.push.disable());
    await becomes('devices', () => set.belfry.devices('ann'), []);
  });
});

test('A13 chromium: a push for an alert that a visible tab has shown shows nothing more', async () => {
  await using set = await stage();
  await using browser = await Chromium.open({ notifications: true });
  const tab = await browser.tab(set.page('ann', page));
  await live(tab);
  const id = await set.belfry.publish('ann', { title: 'Oat milk' });
  await becomes('presented', () => presented(tab), ['Oat milk']);
  // No push service of Google's answers here: what it would hand over is handed over by the debugging protocol.
  await tab.evaluate(async () => {
    const registration = await navigator.serviceWorker.register('/sdk/sw.js', { scope: '/sdk/' });
    while (registration.active?.state !== 'activated') await new Promise((resolve) => setTimeout(resolve, 10));
    const opening = indexedDB.open('belfry-push', 1);
    await new Promise<void>((resolve) => {
      opening.onupgradeneeded = () => opening.result.createObjectStore('belfry-push');
      opening.onsuccess = () => resolve();
    });
    const transaction = opening.result.transaction('belfry-push', 'readwrite');
    transaction.objectStore('belfry-push').put({ user: 'ann' }, 'belfry-push');
    await new Promise((resolve) => {
      transaction.oncomplete = resolve;
    });
  });
  // Asked too early, Chromium forgets a notification that is still on its way to the screen: so it is not asked.
  const worker = await browser.worker();
  await worker.evaluate(() => {
    const { registration } = globalThis as unknown as { registration: ServiceWorkerRegistration };
    const show = registration.showNotification.bind(registration);
    const shown: [string, string | undefined][] = [];
    Object.assign(globalThis, { shown });
    registration.showNotification = async (title, options) => {
      await show(title, options);
      shown.push([title, options?.tag]);
    };
  });
  const shown = (): Promise<[string, string | undefined][]> =>
    worker.evaluate(() => (globalThis as unknown as { shown: [string, string | undefined][] }).shown);
  const deliver = await browser.pushes(tab, set.wire.url);
  const payload = (alert: string, user = 'ann') => ({
    web_push: 8030,
    notification: { title: 'Oat milk' },
    belfry: { id: alert, user },
  });
  await deliver(payload('another'));
  await becomes('notifications', shown, [['Oat milk', 'another']]);
  await deliver(payload(id));
  await deliver(payload('third'));
  await until('the third', async () => (await shown()).some(([, tag]) => tag === 'third'));
  expect((await shown()).map(([, tag]) => tag).sort()).toEqual(['another', 'third']);
  // And one for somebody else says nothing of what it holds.
  await deliver(payload('fourth', 'bob'));
  await until('a word', async () => (await shown()).some(([title]) => title === 'You have a new notification'));
  expect((await shown()).some(([, tag]) => tag === 'fourth')).toBe(false);
  expect(await listed(tab)).toEqual(['Oat milk']);
});
