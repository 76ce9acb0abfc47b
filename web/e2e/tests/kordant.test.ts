/** What the team of the family-security application planned, in that application. */

import axe from 'axe-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { Chromium, type ChromiumTab } from '../support/browsers.js';
import { accounts, badge, buildKordant, find, Kordant, toasts } from '../support/kordant.js';
import { becomes, never, until } from '../support/wait.js';

beforeAll(buildKordant, 240_000);

const stateOf = (tab: ChromiumTab): Promise<string> =>
  tab.evaluate(() => {
    const root = document.querySelector('belfry-connection')?.shadowRoot;
    return root?.querySelector('[part=text]')?.textContent ?? '';
  });

describe('an alert about one of the family', () => {
  test('K4 K5 reaches all of them, says whose account it is, and no other family', async () => {
    await using kordant = await Kordant.start();
    await using anns = await Chromium.open();
    await using doras = await Chromium.open();
    await using emils = await Chromium.open();
    const [ann, dora, emil] = [await anns.tab(), await doras.tab(), await emils.tab()];
    await Promise.all([kordant.signIn(ann, 'ann'), kordant.signIn(dora, 'dora'), kordant.signIn(emil, 'emil')]);
    await find(ann, 'DarkWatch', 'dora');
    for (const tab of [ann, dora]) {
      await becomes('rows', () => accounts(tab), ['DDora’s account']);
      await until('a toast', async () => (await toasts(tab)).some((title) => title.startsWith('Dora')));
      await becomes('the badge', () => badge(tab), 1);
    }
    await find(ann, 'SpamShield', 'dora');
    await becomes('rows of Dora', () => accounts(dora), ['DDora’s account', 'DDora’s account']);
    expect(await accounts(ann)).toHaveLength(1);
    expect(await accounts(emil)).toEqual([]);
    expect(await toasts(emil)).toEqual([]);
    for (const tab of [ann, dora, emil]) expect(tab.errors).toEqual([]);
  });

  test('K5 of each of the five services is accepted with what it found', async () => {
    await using kordant = await Kordant.start();
    await using browser = await Chromium.open();
    const ann = await browser.tab();
    await kordant.signIn(ann, 'ann');
    for (const service of ['DarkWatch', 'VoicePrint', 'SpamShield', 'HomeTitle', 'RemoveBrokers']) {
      await find(ann, service, 'ann');
    }
    await until('five rows', async () => (await accounts(ann)).length === 5);
    const { kinds } = await kordant.publisher.getConnectionStats();
    expect(Object.keys(kinds).sort()).toEqual([
      'broker-listing-found',
      'exposure-detected',
      'property-changed',
      'spam-blocked',
      'synthetic-voice-found',
    ]);
    expect(ann.errors).toEqual([]);
  });

  test('the page that the server rendered comes to life, node by node', async () => {
    await using kordant = await Kordant.start();
    await using browser = await Chromium.open();
    const ann = await browser.tab();
    await kordant.signIn(ann, 'ann');
    // Between the last byte of the page and its first script.
    await ann.page.addInitScript(() =>
      document.addEventListener('readystatechange', () => {
        if (document.readyState !== 'interactive') return;
        for (const node of document.querySelectorAll('belfry-bell, belfry-connection, .card'))
          Object.assign(node, { rendered: true });
      }),
    );
    await ann.goto(`${kordant.url}/dashboard`);
    await kordant.live(ann);
    await find(ann, 'SpamShield', 'ann');
    await until('a row', async () => (await accounts(ann)).length === 1);
    const nodes = await ann.evaluate(() =>
      [...document.querySelectorAll('belfry-bell, belfry-connection, .card')].map((node) => 'rendered' in node),
    );
    expect(nodes).toEqual(Array(7).fill(true));
    expect(ann.errors).toEqual([]);
  });

  test('K2 is in both tabs of one person, and pops up in one', async () => {
    await using kordant = await Kordant.start();
    await using browser = await Chromium.open();
    const first = await browser.tab();
    await kordant.signIn(first, 'ann');
    const second = await browser.tab(`${kordant.url}/dashboard`);
    await kordant.live(second);
    await becomes('connections', () => kordant.connections(), 1);
    await find(second, 'HomeTitle', 'ann');
    for (const tab of [first, second]) {
      await until('a row', async () => (await accounts(tab)).length === 1);
      await becomes('the badge', () => badge(tab), 1);
    }
    await until('a toast', async () => [...(await toasts(first)), ...(await toasts(second))].length === 1);
    await never('a second toast', async () => [...(await toasts(first)), ...(await toasts(second))].length > 1, 1_000);
  });

  test('its link leads to its page, which marks it read in every tab', async () => {
    await using kordant = await Kordant.start();
    await using browser = await Chromium.open();
    const first = await browser.tab();
    await kordant.signIn(first, 'ann');
    await find(first, 'VoicePrint', 'dora');
    await until('a row', async () => (await accounts(first)).length === 1);
    const second = await browser.tab(`${kordant.url}/dashboard`);
    await kordant.live(second);
    await becomes('the badge', () => badge(second), 1);
    // A new document would forget this.
    await first.evaluate(() => Object.assign(window, { sameDocument: true }));
    await first.front();
    await first.click('.row-main');
    await first.until('the page of the alert', () => document.querySelector('.detail .facts') !== null);
    expect(await first.evaluate(() => 'sameDocument' in window)).toBe(true);
    for (const tab of [first, second]) await becomes('the badge', () => badge(tab), 0);
    expect(await toasts(first)).toEqual([]);
  });
});

describe('connecting', () => {
  test('K8 K9 begins behind the sign-in and ends with signing out, in all tabs', async () => {
    await using kordant = await Kordant.start();
    await using browser = await Chromium.open();
    const tab = await browser.tab(kordant.url);
    expect(await tab.evaluate(() => document.querySelector('belfry-connection'))).toBeNull();
    expect(await kordant.connections()).toBe(0);
    await kordant.signIn(tab, 'ann');
    expect(await kordant.connections()).toBe(1);
    const other = await browser.tab(`${kordant.url}/dashboard`);
    await kordant.live(other);
    await tab.front();
    await tab.click('.nav-person button');
    for (const one of [tab, other]) await one.page.waitForURL((url) => url.pathname === '/', { waitUntil: 'commit' });
    await becomes('connections', () => kordant.connections(), 0);
    await other.goto(`${kordant.url}/dashboard`);
    expect(new URL(other.page.url()).pathname).toBe('/');
  });

  test('the first paint has the unread number of the server', async () => {
    await using kordant = await Kordant.start();
    await using browser = await Chromium.open();
    const ann = await browser.tab();
    await kordant.signIn(ann, 'ann');
    await find(ann, 'HomeTitle', 'ann');
    await find(ann, 'RemoveBrokers', 'ann');
    await becomes('the badge', () => badge(ann), 2);
    const html = await ann.evaluate(async () => (await fetch('/dashboard')).text());
    expect(html.replace(/<!--.*?-->/g, '')).toContain('2 alerts need your attention');
  });

  test('K14 a cut network says so after three seconds, and what was missed is there when it is back', async () => {
    await using kordant = await Kordant.start();
    await using browser = await Chromium.open();
    const ann = await browser.tab();
    await kordant.signIn(ann, 'ann');
    kordant.wire.cut();
    await until('Reconnecting…', async () => (await stateOf(ann)).includes('Reconnecting'), 15_000);
    await kordant.publisher.publishToGroup('family-7', {
      kind: 'spam-blocked',
      data: {
        service: 'SpamShield',
        subject: 'Bob',
        subject_id: 'bob',
        source: 'x',
        severity: 'info',
        channel: 'call',
        detected_at: new Date().toISOString(),
      },
    });
    kordant.wire.heal();
    await kordant.live(ann);
    await becomes('rows', () => accounts(ann), ['BBob’s account']);
  });
});

describe('quiet', () => {
  test('K11 do not disturb shows nothing, counts, and ends with one summary', async () => {
    await using kordant = await Kordant.start();
    await using browser = await Chromium.open();
    const ann = await browser.tab();
    await kordant.signIn(ann, 'ann');
    await ann.click('[aria-label="Do not disturb"]');
    await ann.until(
      'it is quiet',
      () => document.querySelector('[aria-label="Do not disturb"][aria-pressed="true"]') !== null,
    );
    await find(ann, 'HomeTitle', 'ann');
    await find(ann, 'DarkWatch', 'ann');
    await becomes('the badge', () => badge(ann), 2);
    await never('a toast', async () => (await toasts(ann)).length > 0, 1_000);
    await ann.click('[aria-label="Do not disturb"]');
    await becomes('toasts', () => toasts(ann), ['2 alerts while it was quiet']);
  });
});

describe.each(['light', 'dark'] as const)('in %s', (scheme) => {
  test.each(['/', '/dashboard'])('axe finds nothing on %s', async (path) => {
    await using kordant = await Kordant.start();
    await using browser = await Chromium.open();
    const tab = await browser.tab();
    await tab.page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
    await kordant.signIn(tab, 'ann');
    await find(tab, 'DarkWatch', 'ann');
    await until('a toast', async () => (await toasts(tab)).length === 1);
    if (path === '/') await tab.goto(kordant.url);
    await tab.page.addScriptTag({ content: axe.source });
    const found = await tab.evaluate(async () => {
      const { axe } = window as unknown as { axe: typeof import('axe-core') };
      const { violations } = await axe.run(document);
      return violations.flatMap(({ id, nodes }) =>
        nodes.map((node) => `${id}: ${node.target.join(' ')} ${node.failureSummary ?? ''}`),
      );
    });
    expect(found).toEqual([]);
  });
});
