/** What tests ask of `pages/app.ts`. */

import type { ClientOptions } from '@belfry/client';
import type { Tab } from './browsers.js';
import { becomes } from './wait.js';

/** How the page is set up: see `pages/app.ts`. */
export interface AppQuery {
  user?: string;
  auth?: 'token';
  ui?: 'all' | 'toasts';
  hold?: 'no';
  set?: ClientOptions;
}

/** The page's path. */
export function app(query: AppQuery = {}): string {
  const { set, ...plain } = query;
  const parameters = new URLSearchParams(plain as Record<string, string>);
  if (set) parameters.set('set', JSON.stringify(set));
  return `/app?${parameters}`;
}

/** Waits until every tab is live. */
export async function live(...tabs: readonly Tab[]): Promise<void> {
  await Promise.all(tabs.map((tab) => becomes('the tab is live', () => state(tab), 'live')));
}

export const state = (tab: Tab): Promise<string> => tab.evaluate(() => window.client.connection.get().state);

export const role = (tab: Tab): Promise<string> => tab.evaluate(() => window.client.connection.get().role);

export const unread = (tab: Tab): Promise<number> => tab.evaluate(() => window.client.unread.get());

/** Titles of the list, oldest first. */
export const listed = (tab: Tab): Promise<string[]> =>
  tab.evaluate(() =>
    window.client.alerts
      .get()
      .map(({ title }) => title)
      .reverse(),
  );

/** Titles that this tab presented, in order. */
export const presented = (tab: Tab): Promise<(string | null)[]> =>
  tab.evaluate(() => window.seen.presented.map(({ title }) => title));

/** What all these tabs presented, sorted. */
export async function presentedByAll(tabs: readonly Tab[]): Promise<(string | null)[]> {
  return (await Promise.all(tabs.map(presented))).flat().sort();
}

/** The tab that holds the connection, and the others. */
export async function leaderOf<T extends Tab>(tabs: readonly T[]): Promise<{ leader: T; others: T[] }> {
  const roles = await Promise.all(tabs.map(role));
  const at = roles.indexOf('leader');
  const leader = tabs[at];
  if (!leader) throw new Error(`no leader among ${roles.join(', ')}`);
  return { leader, others: tabs.filter((tab) => tab !== leader) };
}

/** Waits until exactly one of these tabs leads and the others follow. */
export async function settled(tabs: readonly Tab[]): Promise<void> {
  const expected = ['leader', ...Array(tabs.length - 1).fill('follower')].sort();
  await becomes('one tab leads', async () => (await Promise.all(tabs.map(role))).sort(), expected);
  await live(...tabs);
}

/** All that is rendered on the page, also in shadow roots. */
export const pageText = (tab: Tab): Promise<string> =>
  tab.evaluate(() => {
    const read = (node: Node): string => {
      if (node instanceof Text) return node.data;
      if (node instanceof Element) {
        if (/^(script|style)$/i.test(node.tagName)) return '';
        const { display, visibility } = getComputedStyle(node);
        if (display === 'none' || visibility === 'hidden') return '';
        if (node instanceof HTMLSlotElement) return node.assignedNodes({ flatten: true }).map(read).join(' ');
        if (node.shadowRoot) return [...node.shadowRoot.childNodes].map(read).join(' ');
      }
      return [...node.childNodes].map(read).join(' ');
    };
    return read(document.body);
  });
