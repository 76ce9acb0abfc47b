import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { quiet, type Rig, rig, shared } from './world/attention.js';

let tab: Rig;
beforeEach(() => {
  tab = rig();
});
afterEach(() => {
  vi.unstubAllGlobals();
});
const ids = (of: Rig = tab): (string | undefined)[] => of.shown.map(({ alert }) => alert?.id);

describe('presenting', () => {
  it('calls the presenter registered last, once per alert', async () => {
    const first = vi.fn();
    tab.attention.onPresent(first);
    tab.present();
    tab.arrive({ id: 'a' });
    await tab.clock.advance(2_000);
    expect(ids()).toEqual(['a']);
    expect(first).not.toHaveBeenCalled();
  });

  it('goes back to the one before when the last one is unregistered', async () => {
    tab.present();
    const unregister = tab.attention.onPresent(() => {});
    unregister();
    unregister();
    tab.arrive({ id: 'a' });
    await tab.clock.settle();
    expect(ids()).toEqual(['a']);
  });

  it('does not bid without a presenter', async () => {
    const common = shared();
    const without = rig({ sound: false }, common);
    without.arrive({ id: 'a' });
    await without.clock.advance(1_000);
    expect(common.claimed.size).toBe(0);
  });

  it('is done by the tab in front of somebody; a hidden one gives way', async () => {
    const common = shared();
    const [hidden, seen] = [rig({ sound: false }, common), rig({ sound: false }, common)];
    hidden.visible = hidden.focused = false;
    for (const one of [hidden, seen]) one.present();
    for (const one of [hidden, seen]) one.arrive({ id: 'a' });
    await common.clock.advance(2_000);
    expect([ids(hidden), ids(seen)]).toEqual([[], ['a']]);
  });

  it('waits 40 ms in a visible tab without the focus, 120 ms in a hidden one', async () => {
    for (const [visible, wait] of [
      [true, 40],
      [false, 120],
    ] as const) {
      const one = rig();
      Object.assign(one, { visible, focused: false });
      one.present();
      one.arrive({ id: 'a' });
      await one.clock.advance(wait - 1);
      expect(ids(one)).toEqual([]);
      await one.clock.advance(1);
      expect(ids(one)).toEqual(['a']);
    }
  });

  it('passes to the next tab when the presenter says false', async () => {
    const common = shared();
    const [refusing, next] = [rig({ sound: false }, common), rig({ sound: false }, common)];
    next.focused = false;
    refusing.present(() => false);
    next.present();
    for (const one of [refusing, next]) one.arrive({ id: 'a' });
    await common.clock.advance(1_000);
    expect(ids(next)).toEqual(['a']);
    expect(ids(refusing)).toEqual(['a']);
    expect(refusing.displayed).toEqual([]);
    expect(next.displayed).toEqual(['a']);
  });

  it('passes on as long as presenters say false', async () => {
    const common = shared(5);
    const tabs = [1, 2, 3, 4].map(() => rig({ sound: false }, common));
    for (const [at, one] of tabs.entries()) {
      one.focused = false;
      one.present(() => (at < 3 ? false : undefined));
    }
    for (const one of tabs) one.arrive({ id: 'a' });
    await common.clock.advance(5_000);
    expect(tabs.flatMap((one) => one.displayed)).toEqual(['a']);
    expect(tabs[3]?.displayed).toEqual(['a']);
  });

  it('passes to the next tab when the presenter throws, and reports it', async () => {
    const common = shared();
    const [broken, next] = [rig({ sound: false }, common), rig({ sound: false }, common)];
    next.focused = false;
    const error = new Error('broken');
    broken.present(() => {
      throw error;
    });
    next.present();
    for (const one of [broken, next]) one.arrive({ id: 'a' });
    await common.clock.advance(1_000);
    expect(broken.reported).toEqual([error]);
    expect(ids(next)).toEqual(['a']);
  });

  it('happens in every tab where the application wants it', async () => {
    const common = shared();
    const tabs = [1, 2].map(() => rig({ sound: false, present: 'every-tab' }, common));
    for (const one of tabs) one.present();
    for (const one of tabs) one.arrive({ id: 'a' });
    await common.clock.advance(1_000);
    expect(tabs.map((one) => ids(one))).toEqual([['a'], ['a']]);
    // The service worker finds it claimed all the same.
    expect(common.claimed.has('a')).toBe(true);
  });

  it('leaves out what was read while it waited', async () => {
    tab.focused = false;
    tab.present();
    tab.arrive({ id: 'a' });
    tab.change('a', { read: true });
    await tab.clock.advance(1_000);
    expect(ids()).toEqual([]);
  });

  it('counts bursts', async () => {
    tab.present();
    for (const id of ['a', 'b', 'c', 'd']) tab.arrive({ id });
    await tab.clock.advance(5_000);
    tab.arrive({ id: 'e' });
    await tab.clock.settle();
    expect(tab.shown.map(({ burst }) => burst)).toEqual([1, 2, 3, 4, 1]);
  });

  it('does not count what was refused', async () => {
    let refused = 0;
    tab.present(() => (refused++ ? undefined : false));
    for (const id of ['a', 'b']) tab.arrive({ id });
    await tab.clock.settle();
    expect(tab.shown.map(({ burst }) => burst)).toEqual([1, 1]);
  });

  it('stops with the last hold', async () => {
    tab.present();
    tab.focused = false;
    tab.arrive({ id: 'a' });
    tab.attention.stop();
    expect(tab.clock.pending).toBe(0);
    await tab.clock.advance(1_000);
    expect(ids()).toEqual([]);
  });
});

describe('what is on screen', () => {
  it.each(['read', 'archived', 'acted'] as const)('goes when it is %s anywhere', async (flag) => {
    tab.present();
    tab.arrive({ id: 'a' });
    await tab.clock.settle();
    tab.change('a', { seen: true });
    expect(tab.shown[0]?.signal.aborted).toBe(false);
    tab.change('a', { [flag]: true });
    expect(tab.shown[0]?.signal.aborted).toBe(true);
  });

  it('goes when it is recalled', async () => {
    tab.present();
    tab.arrive({ id: 'a' });
    await tab.clock.settle();
    tab.change('a', null);
    expect(tab.shown[0]?.signal.aborted).toBe(true);
  });

  it('goes when it expires', async () => {
    tab.present();
    tab.arrive({ id: 'a', expiresAt: new Date(tab.clock.now() + 10_000).toISOString() });
    await tab.clock.advance(9_999);
    expect(tab.shown[0]?.signal.aborted).toBe(false);
    await tab.clock.advance(1);
    expect(tab.shown[0]?.signal.aborted).toBe(true);
  });

  it('goes with its presenter', async () => {
    const unregister = tab.present();
    tab.arrive({ id: 'a' });
    await tab.clock.settle();
    unregister();
    expect(tab.shown[0]?.signal.aborted).toBe(true);
  });

  it('is opened as it is by then, and ends with that', async () => {
    tab.present();
    tab.arrive({ id: 'a' });
    await tab.clock.settle();
    tab.change('a', { seen: true });
    tab.shown[0]?.opened();
    expect(tab.opened).toMatchObject([{ id: 'a', state: { seen: true } }]);
    expect(tab.shown[0]?.signal.aborted).toBe(true);
  });

  it('that was dismissed is not told of again', async () => {
    tab.visible = false;
    tab.anyVisible = true;
    tab.present();
    tab.arrive({ id: 'a' });
    await tab.clock.advance(200);
    tab.shown[0]?.dismissed('user');
    tab.visible = true;
    tab.presence();
    expect(tab.displayed).toEqual([]);
  });
});

describe('the receipt "displayed"', () => {
  it('is given for what somebody had before their eyes', async () => {
    tab.present();
    tab.arrive({ id: 'a' });
    await tab.clock.settle();
    expect(tab.displayed).toEqual(['a']);
  });

  it('is not given where nobody moved anything for two minutes, and is when somebody does', async () => {
    tab.present();
    await tab.clock.advance(120_000);
    tab.arrive({ id: 'a' });
    tab.arrive({ id: 'b' });
    await tab.clock.settle();
    expect(ids()).toEqual(['a', 'b']);
    expect(tab.displayed).toEqual([]);
    tab.lastInputAt = tab.clock.now();
    tab.presence();
    tab.presence();
    expect(tab.displayed).toEqual(['a', 'b']);
  });

  it('is not given in a hidden tab', async () => {
    Object.assign(tab, { visible: false, focused: false });
    tab.present();
    tab.arrive({ id: 'a' });
    await tab.clock.advance(500);
    expect(ids()).toEqual(['a']);
    expect(tab.displayed).toEqual([]);
  });

  it('waits for a presenter that takes its time', async () => {
    let done = (): void => {};
    tab.present(() => new Promise<void>((resolve) => (done = resolve)));
    tab.arrive({ id: 'a' });
    await tab.clock.settle();
    expect(tab.displayed).toEqual([]);
    done();
    await tab.clock.settle();
    expect(tab.displayed).toEqual(['a']);
  });

  it('is given once, however often the toaster says so', async () => {
    tab.present((presentation) => presentation.shown());
    tab.arrive({ id: 'a' });
    await tab.clock.settle();
    tab.shown[0]?.shown();
    expect(tab.displayed).toEqual(['a']);
  });

  it('is not given where the presenter failed later', async () => {
    tab.present(() => Promise.reject(new Error('later')));
    tab.arrive({ id: 'a' });
    await tab.clock.settle();
    expect(tab.displayed).toEqual([]);
    expect(tab.reported).toHaveLength(1);
  });
});

describe('summaries', () => {
  const old = '2025-12-31T00:00:00Z';

  it('stand for all that was missed, in one call and without a sound', async () => {
    tab.present();
    for (const id of ['a', 'b', 'c']) tab.arrive({ id, createdAt: old }, 'catch-up');
    tab.arrive({ id: 'd' }, 'catch-up');
    await tab.clock.advance(1_000);
    expect(ids()).toEqual(['d', undefined]);
    expect(tab.shown[1]).toMatchObject({ alert: null, sound: false, summary: { count: 3, reason: 'away' } });
    expect(tab.displayed).toEqual(['d']);
  });

  it('wait for the last frame of a catch-up', async () => {
    tab.present();
    tab.arrive({ id: 'a', createdAt: old }, 'catch-up');
    await tab.clock.advance(400);
    tab.arrive({ id: 'b', createdAt: old }, 'catch-up');
    await tab.clock.advance(1_000);
    expect(tab.shown.map(({ summary }) => summary?.count)).toEqual([2]);
  });

  it('leave out what was read meanwhile, and are not shown for nothing', async () => {
    tab.present();
    tab.arrive({ id: 'a', createdAt: old }, 'catch-up');
    tab.change('a', { read: true });
    await tab.clock.advance(1_000);
    expect(tab.shown).toEqual([]);
  });

  it('are shown in one tab', async () => {
    const common = shared();
    const tabs = [1, 2].map(() => rig({ sound: false }, common));
    for (const one of tabs) one.present();
    for (const one of tabs) one.arrive({ id: 'a', createdAt: old }, 'catch-up');
    await common.clock.advance(2_000);
    expect(tabs.map((one) => one.shown.length)).toEqual([1, 0]);
  });

  it('come when do-not-disturb ends, and nothing before', async () => {
    tab.present();
    tab.doNotDisturb = quiet(true);
    tab.attention.doNotDisturbChanged();
    for (const id of ['a', 'b']) tab.arrive({ id, quiet: true });
    await tab.clock.advance(60_000);
    expect(tab.shown).toEqual([]);
    tab.doNotDisturb = quiet(false);
    tab.attention.doNotDisturbChanged();
    await tab.clock.settle();
    expect(tab.shown).toMatchObject([{ alert: null, summary: { count: 2, reason: 'do-not-disturb' } }]);
  });

  it('come when its time is over, although nobody tells', async () => {
    tab.present();
    tab.doNotDisturb = quiet(true, new Date(tab.clock.now() + 30_000).toISOString());
    tab.attention.doNotDisturbChanged();
    tab.arrive({ id: 'a', quiet: true });
    await tab.clock.advance(29_999);
    expect(tab.shown).toEqual([]);
    await tab.clock.advance(1);
    expect(tab.shown).toHaveLength(1);
  });

  it('do not come where nothing came', async () => {
    tab.present();
    tab.doNotDisturb = quiet(true);
    tab.attention.doNotDisturbChanged();
    tab.doNotDisturb = quiet(false);
    tab.attention.doNotDisturbChanged();
    await tab.clock.advance(1_000);
    expect(tab.shown).toEqual([]);
  });
});

describe('do-not-disturb', () => {
  it('switched on while an alert waited silences it and counts it', async () => {
    tab.focused = false;
    tab.present();
    tab.arrive({ id: 'a' });
    tab.doNotDisturb = quiet(true);
    tab.attention.doNotDisturbChanged();
    await tab.clock.advance(1_000);
    expect(tab.shown).toEqual([]);
    tab.doNotDisturb = quiet(false);
    tab.attention.doNotDisturbChanged();
    await tab.clock.advance(1_000);
    expect(tab.shown[0]?.summary).toEqual({ count: 1, reason: 'do-not-disturb' });
  });

  it('lets pass what was sent loud while it was on', async () => {
    tab.present();
    tab.doNotDisturb = quiet(true);
    tab.attention.doNotDisturbChanged();
    tab.arrive({ id: 'a' });
    await tab.clock.settle();
    expect(ids()).toEqual(['a']);
  });
});

describe('hidden tabs', () => {
  const shower = () => ({
    showNotification: vi.fn(async () => {}),
    getNotifications: vi.fn(async () => [{ tag: 'a', close: vi.fn() }]),
  });
  const allow = (permission: string, registration: unknown): void => {
    vi.stubGlobal('Notification', { permission });
    const getRegistration = vi.fn(async (url?: string) => (url?.endsWith('/belfry/sdk/') ? registration : undefined));
    vi.stubGlobal('navigator', { serviceWorker: { getRegistration } });
  };
  beforeEach(() => {
    Object.assign(tab, { visible: false, focused: false });
    tab.present();
  });
  const arrive = async (): Promise<void> => {
    tab.arrive({ id: 'a' });
    await tab.clock.advance(120);
    // The code for it is loaded now.
    await vi.dynamicImportSettled();
    await tab.clock.settle();
  };

  it('show a notification of the system instead, under the alert’s tag', async () => {
    const registration = shower();
    allow('granted', registration);
    await arrive();
    expect(registration.showNotification).toHaveBeenCalledWith('A note', {
      body: '',
      tag: 'a',
      data: { belfry: 'a', url: '/notes', user: 'ann' },
    });
    expect(tab.shown).toEqual([]);
    expect(tab.displayed).toEqual([]);
  });

  it('close it when it is read elsewhere', async () => {
    const registration = shower();
    allow('granted', registration);
    await arrive();
    const other = { tag: 'other', close: vi.fn() };
    const ours = { tag: 'a', close: vi.fn() };
    registration.getNotifications.mockResolvedValue([ours, other]);
    tab.change('a', { read: true });
    await vi.dynamicImportSettled();
    await tab.clock.settle();
    expect(ours.close).toHaveBeenCalledTimes(1);
    expect(other.close).not.toHaveBeenCalled();
  });

  it.each(['denied', 'default'])('present as usual where it is %s', async (permission) => {
    const registration = shower();
    allow(permission, registration);
    await arrive();
    expect(registration.showNotification).not.toHaveBeenCalled();
    expect(ids()).toEqual(['a']);
  });

  it('present as usual where there is no service worker, or it fails', async () => {
    allow('granted', undefined);
    await arrive();
    expect(ids()).toEqual(['a']);
    const failing = shower();
    failing.showNotification.mockRejectedValue(new TypeError('no active worker'));
    allow('granted', failing);
    tab.arrive({ id: 'b' });
    await tab.clock.advance(120);
    await vi.dynamicImportSettled();
    await tab.clock.settle();
    expect(ids()).toEqual(['a', 'b']);
  });

  it('present as usual while another tab is visible', async () => {
    const registration = shower();
    allow('granted', registration);
    tab.anyVisible = true;
    await arrive();
    expect(ids()).toEqual(['a']);
  });

  it('show none where the application wants none', async () => {
    const registration = shower();
    allow('granted', registration);
    const none = rig({ sound: false, hidden: 'none' });
    Object.assign(none, { visible: false, focused: false });
    none.present();
    none.arrive({ id: 'a' });
    await none.clock.advance(200);
    expect(registration.showNotification).not.toHaveBeenCalled();
    expect(ids(none)).toEqual(['a']);
  });
});
