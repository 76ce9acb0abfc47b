/** One connection for all tabs of a browser, whatever becomes of the tab that holds it. */

import { describe, expect, test } from 'vitest';
import { app, leaderOf, listed, presentedByAll, role, settled } from '../support/app.js';
import { BOTH, type Browser, Chromium, type ChromiumTab, Firefox, openBrowser, type Tab } from '../support/browsers.js';
import { type Stage, stage } from '../support/stage.js';
import { becomes, until } from '../support/wait.js';

/** How long an alert may take to be on screen after the leader failed. */
const SOON_MS = 3_000;

async function open(set: Stage, browser: Browser, count: number): Promise<Tab[]> {
  const tabs: Tab[] = [];
  for (let at = 0; at < count; at++) tabs.push(await browser.tab(set.page('ann', app({ user: 'ann' }))));
  await settled(tabs);
  return tabs;
}

/** Publishes, and sees it listed in all of them and presented once. */
async function delivered(set: Stage, tabs: readonly Tab[], title: string, withinMs?: number): Promise<void> {
  await set.belfry.publish('ann', { title });
  await becomes(
    'presentations',
    async () => (await presentedByAll(tabs)).filter((one) => one === title),
    [title],
    withinMs,
  );
  for (const tab of tabs) await until('the list', async () => (await listed(tab)).includes(title));
}

describe.each(BOTH)('%s', (name) => {
  test('B11 five tabs have one connection', async () => {
    await using set = await stage();
    await using browser = await openBrowser(name);
    const tabs = await open(set, browser, 5);
    expect(await set.belfry.connections('ann')).toBe(1);
    expect(set.site.sockets.size).toBe(1);
    await delivered(set, tabs, 'To five');
    expect(await presentedByAll(tabs)).toEqual(['To five']);
    expect(set.site.upgrades).toBe(1);
  });

  test('B11 the leader is closed: the next alert comes once, soon', async () => {
    await using set = await stage();
    await using browser = await openBrowser(name);
    const tabs = await open(set, browser, 3);
    await delivered(set, tabs, 'Before');
    const { leader, others } = await leaderOf(tabs);
    await leader.close();
    await delivered(set, others, 'After', SOON_MS);
    await settled(others);
    await becomes('connections', () => set.belfry.connections('ann'), 1);
    expect((await presentedByAll(others)).filter((title) => title === 'After')).toEqual(['After']);
  });
});

/** Five tabs of Chromium, each in a process of its own. */
async function apart(set: Stage, browser: Chromium, count: number): Promise<{ tab: ChromiumTab; pid: number }[]> {
  const tabs: { tab: ChromiumTab; pid: number }[] = [];
  for (let at = 0; at < count; at++) {
    const before = new Set(await browser.pageProcesses());
    const tab = await browser.tab(set.page('ann', app({ user: 'ann' })));
    const [pid] = (await browser.pageProcesses()).filter((id) => !before.has(id));
    if (pid === undefined) throw new Error('the tab has no process of its own');
    tabs.push({ tab, pid });
  }
  await settled(tabs.map(({ tab }) => tab));
  return tabs;
}

test('B11 the leader is frozen by the browser: it hands over, and is a follower when it thaws', async () => {
  await using set = await stage();
  await using browser = await Chromium.open();
  const tabs = (await open(set, browser, 3)) as ChromiumTab[];
  const { leader, others } = await leaderOf(tabs);
  await others[0]?.front();
  await leader.cdp.send('Page.setWebLifecycleState', { state: 'frozen' });
  await delivered(set, others, 'While frozen', SOON_MS);
  await leader.cdp.send('Page.setWebLifecycleState', { state: 'active' });
  await settled(tabs);
  expect(await role(leader)).toBe('follower');
  await until('the list', async () => (await listed(leader)).includes('While frozen'));
  await delivered(set, tabs, 'After');
  expect(await presentedByAll(tabs)).toEqual(['After', 'While frozen']);
});

test('B11 the leader hangs without an event: a tab in sight takes over', async () => {
  await using set = await stage();
  await using browser = await Chromium.open({ args: APART });
  const tabs = await apart(set, browser, 3);
  const { leader, others } = await leaderOf(tabs.map(({ tab }) => tab));
  await others[0]?.front();
  const pid = tabs.find(({ tab }) => tab === leader)?.pid ?? 0;
  process.kill(pid, 'SIGSTOP');
  try {
    await delivered(set, others, 'While it hangs', SOON_MS);
    await settled(others);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  await settled([...others, leader]);
  await delivered(set, [...others, leader], 'After');
  expect(await presentedByAll([...others, leader])).toEqual(['After', 'While it hangs']);
  await becomes('connections', () => set.belfry.connections('ann'), 1);
});

test('B11 firefox: the process of the leader hangs, and later dies', async () => {
  await using set = await stage();
  await using browser = await Firefox.open();
  const tabs: Tab[] = [];
  const pids = new Map<Tab, number>();
  for (let at = 0; at < 3; at++) {
    const path = `${app({ user: 'ann' })}&tab=${at}`;
    const tab = await browser.tab(set.page('ann', path));
    pids.set(tab, await browser.processOf(set.wire.url + path));
    tabs.push(tab);
  }
  await settled(tabs);
  expect(new Set(pids.values()).size).toBe(3);
  const first = await leaderOf(tabs);
  await first.others[0]?.front();
  const pid = pids.get(first.leader) ?? 0;
  process.kill(pid, 'SIGSTOP');
  try {
    await delivered(set, first.others, 'While it hangs', SOON_MS);
    await settled(first.others);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  await settled(tabs);
  const second = await leaderOf(tabs);
  await second.others[0]?.front();
  process.kill(pids.get(second.leader) ?? 0, 'SIGKILL');
  await delivered(set, second.others, 'After the crash', SOON_MS);
  await settled(second.others);
});

test('B11 the leader crashes: the next alert comes once, soon', async () => {
  await using set = await stage();
  await using browser = await Chromium.open({ args: APART });
  const tabs = await apart(set, browser, 3);
  const { leader, others } = await leaderOf(tabs.map(({ tab }) => tab));
  await others[0]?.front();
  process.kill(tabs.find(({ tab }) => tab === leader)?.pid ?? 0, 'SIGKILL');
  await delivered(set, others, 'After', SOON_MS);
  await becomes('connections', () => set.belfry.connections('ann'), 1);
  expect(await presentedByAll(others)).toEqual(['After']);
});

/** No process is kept ready for the next tab: the one that appears is the tab's. */
const APART = ['--disable-features=SpareRendererForSitePerProcess'];
