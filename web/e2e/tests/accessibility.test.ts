/** Everybody can use it: axe, the keyboard, colours that are forced, pages with a strict policy. */

import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import { describe, expect, test } from 'vitest';
import { app, live, pageText, presented } from '../support/app.js';
import { BOTH, Chromium, Firefox, openBrowser, type Tab } from '../support/browsers.js';
import { type Stage, stage } from '../support/stage.js';
import { becomes, until } from '../support/wait.js';

const axeSource = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const page = app({ user: 'ann', ui: 'all' });

declare global {
  interface Window {
    axe: { run(): Promise<AxeResults> };
  }
}

/** What axe finds, in one line each. */
async function violations(tab: Tab): Promise<string[]> {
  await tab.evaluate((source) => void new Function(source).call(window), axeSource);
  const results = await tab.evaluate(() => window.axe.run());
  return results.violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, target }) => `${id}: ${html} ${String(target)}`),
  );
}

/** Something of everything: toasts that stay, rows read and unread, an open bell. */
async function furnish(set: Stage, tab: Tab): Promise<void> {
  await live(tab);
  await tab.click('h1');
  await set.belfry.publish('ann', { title: 'An old one', link: '/old' });
  await becomes('presented', () => presented(tab), ['An old one']);
  await tab.evaluate(() => window.client.markRead(window.client.alerts.get()));
  const actions = [{ id: 'call', label: 'Call back', link: '/call' }];
  await set.belfry.publish('ann', {
    title: 'Spam blocked',
    body: 'A call',
    severity: 'warning',
    link: '/spam',
    actions,
  });
  await set.belfry.publish('ann', { title: 'Data found', severity: 'critical', link: '/leak' });
  await until('both', async () => (await presented(tab)).includes('Data found'));
}

const focused = (tab: Tab): Promise<string> =>
  tab.evaluate(() => {
    let node = document.activeElement;
    while (node?.shadowRoot?.activeElement) node = node.shadowRoot.activeElement;
    return `${node?.getAttribute('part') ?? node?.localName} ${node?.getAttribute('aria-label') ?? node?.textContent ?? ''}`.trim();
  });

/** Presses Tab until something of that name has the focus. */
async function walk(tab: Tab, name: RegExp): Promise<void> {
  const passed: string[] = [];
  for (let stops = 0; stops < 40; stops++) {
    const here = await focused(tab);
    if (name.test(here)) return;
    passed.push(here);
    await tab.press('Tab');
  }
  throw new Error(`Tab leads to no ${name}, but to ${passed.join(', ')}`);
}

const looks = [
  { look: 'light', media: { colorScheme: 'light' } },
  { look: 'dark', media: { colorScheme: 'dark' } },
  { look: 'forced colours', media: { forcedColors: 'active' } },
  { look: 'more contrast', media: { contrast: 'more' } },
] as const;

test.each(looks)('axe finds nothing in $look', async ({ media }) => {
  await using set = await stage();
  await using browser = await Chromium.open();
  const tab = await browser.tab();
  await tab.page.emulateMedia(media);
  await tab.goto(set.page('ann', page));
  await furnish(set, tab);
  expect(await violations(tab)).toEqual([]);
  await tab.click('belfry-bell [part=button]');
  await until('the bell is open', async () => (await pageText(tab)).match(/Data found/g)?.length === 3);
  expect(await violations(tab)).toEqual([]);
});

test('firefox: axe finds nothing, with forced colours as well', async () => {
  await using set = await stage();
  await using browser = await Firefox.open({
    prefs: { 'browser.display.document_color_use': 2, 'ui.useAccessibilityTheme': 1 },
  });
  const tab = await browser.tab(set.page('ann', page));
  await furnish(set, tab);
  expect(await violations(tab)).toEqual([]);
});

describe.each(BOTH)('%s', (name) => {
  test('the keyboard walks the bell, the inbox and the toasts, and comes back', async () => {
    await using set = await stage();
    await using browser = await openBrowser(name);
    const tab = await browser.tab(set.page('ann', page));
    await furnish(set, tab);
    // Toasts: F8 leads to the newest, Escape dismisses it and leads to the next, until all are gone.
    await tab.press('F8');
    await becomes('a toast has the focus', async () => (await focused(tab)).includes('Data found'), true);
    await tab.press('Escape');
    await until('the next', async () => (await focused(tab)).includes('Spam blocked'));
    await until('all are gone', async () => {
      if (!/Spam blocked|An old one/.test(await focused(tab))) return true;
      await tab.press('Escape');
      return false;
    });
    // From the top of the page on, as after loading it. Beyond its end the keyboard leaves it for the browser's own.
    await tab.evaluate(() => {
      const header = document.querySelector('header');
      header?.setAttribute('tabindex', '-1');
      header?.focus();
    });
    // The bell: reached by Tab, named with its count, opened by Enter, closed by Escape, and the focus is back.
    await walk(tab, /^button Notifications, 2 unread/);
    await tab.press('Enter');
    const expanded = () =>
      tab.evaluate(() => document.querySelector('belfry-bell')?.shadowRoot?.querySelector('button')?.ariaExpanded);
    await becomes('open', expanded, 'true');
    await tab.press('Escape');
    await becomes('closed', expanded, 'false');
    await becomes('the focus is back', async () => /^button Notifications/.test(await focused(tab)), true);
    // The inbox: one stop for Tab, from there by arrows.
    await walk(tab, /^title/);
    await tab.press('Home');
    await tab.press('ArrowDown');
    await becomes('the next row', async () => (await focused(tab)).includes('Spam blocked'), true);
    await tab.press('End');
    await becomes('the last row', async () => (await focused(tab)).includes('An old one'), true);
    await tab.press('Home');
    await becomes('the first row', async () => (await focused(tab)).includes('Data found'), true);
    await tab.press('Enter');
    await becomes('it was opened', () => tab.evaluate(() => window.seen.opened), ['/leak']);
    await becomes('and is read', () => tab.evaluate(() => window.client.unread.get()), 1);
  });

  test('a page with a strict policy shows everything, in its colours, and nothing is refused', async () => {
    const csp =
      "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self' data:; worker-src 'self'; base-uri 'none'; form-action 'none'";
    await using set = await stage({ csp });
    await using browser = await openBrowser(name);
    const tab = await browser.tab(set.page('ann', page));
    await live(tab);
    await set.belfry.publish('ann', { title: 'Strict', severity: 'critical' });
    await becomes('presented', () => presented(tab), ['Strict']);
    await until('the toast is there', async () => (await pageText(tab)).includes('Strict'));
    const radius = await tab.evaluate(() => {
      const region = document.querySelector('belfry-toast-region')?.shadowRoot;
      const toast = region?.querySelector('[part~=toast]');
      return toast ? getComputedStyle(toast).borderTopLeftRadius : '';
    });
    expect(radius).not.toBe('0px');
    expect(tab.errors).toEqual([]);
  });

  test('while a modal dialog is open the toasts are in it, and come home when it closes', async () => {
    await using set = await stage();
    await using browser = await openBrowser(name);
    const tab = await browser.tab(set.page('ann', page));
    await live(tab);
    await tab.evaluate(() => {
      const dialog = document.createElement('dialog');
      dialog.append('Pay now?');
      document.body.append(dialog);
      dialog.showModal();
    });
    await set.belfry.publish('ann', { title: 'Over the dialog', severity: 'critical' });
    await until('the toast is there', async () => (await pageText(tab)).includes('Over the dialog'));
    const home = () => tab.evaluate(() => document.querySelector('belfry-toast-region')?.parentElement?.localName);
    await becomes('in the dialog', home, 'dialog');
    await tab.click('belfry-toast-region [part=close]');
    await until('it is dismissed', async () => !(await pageText(tab)).match(/Over the dialog.*Over the dialog/s));
    await tab.evaluate(() => document.querySelector('dialog')?.close());
    await becomes('at home', home, 'belfry-toasts');
  });
});
