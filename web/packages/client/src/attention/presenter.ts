/** Presents alerts: in one tab of the browser, and no longer than they need attention. */

import { attempt, type Browser } from '../browser.js';
import type { Tabs } from '../tabs/tabs.js';
import type { AnyAlert, AttentionOptions, Presentation } from '../types.js';
import type { Attention, AttentionHost } from './attention.js';
import { claim, release } from './claims.js';
import { bidMs, isHushed, isOpen, verdict } from './decide.js';
import { createSound } from './sound.js';
import { createStage } from './stage.js';

/** What presenting needs of the browser and of the tabs. */
export interface AttentionSetup extends AttentionOptions {
  readonly browser: Pick<Browser, 'clock' | 'storage' | 'visible' | 'focused' | 'base'>;
  readonly presence: Tabs['presence'];
  readonly onPresence: Tabs['onPresence'];
  /** Default: the browser's store, which the service worker uses as well. */
  readonly claims?: ClaimStore;
}

/** Who presents what: the first one to claim it. */
export interface ClaimStore {
  claim(id: string, at: number): Promise<boolean>;
  release(id: string): Promise<void>;
}

type Reason = NonNullable<Presentation['summary']>['reason'];

/** What a tab bids for: an alert, or a summary of several. */
interface Bid {
  readonly key: string;
  readonly ids: readonly string[];
  readonly reason: Reason | null;
  /** It was sent loud while do-not-disturb was on. */
  readonly breaksThrough: boolean;
}

/** A tab that had to give way looks again after these: the other one, and the next, may not have shown it. */
const AGAIN_MS = [300, 900, 2_700] as const;
/** A catch-up comes in several frames. */
const GATHER_MS = 500;

/** Listens to nothing before `start`. */
export function createAttention(setup: AttentionSetup, host: AttentionHost): Attention {
  const { browser, claims = { claim, release }, maxAgeMs = 60_000 } = setup;
  const { clock } = browser;
  const sound = createSound(setup, host);
  const stage = createStage(setup, host, sound);
  /** Notifications of the system: code that is only loaded where somebody allowed them. */
  const system = () => attempt(() => Notification.permission) === 'granted' && import('./system.js');
  let over = new Set<string>();
  /** What was not presented by itself and waits to be summed up. */
  const waiting: Record<Reason, Set<string>> = { away: new Set(), 'do-not-disturb': new Set() };
  const timers = new Map<string, unknown>();
  let ring: Promise<(id: string) => Promise<boolean>> | undefined;
  let wasHushed = false;
  let undo: (() => void)[] = [];

  const hushed = (): boolean => isHushed(host.doNotDisturb(), host.serverNow());
  const open = (id: string): AnyAlert | null => {
    const alert = host.current(id);
    return isOpen(alert, host.serverNow()) ? alert : null;
  };
  const later = (key: string, ms: number, run: () => void): void => {
    clock.clearTimeout(timers.get(key));
    timers.set(
      key,
      clock.setTimeout(() => {
        timers.delete(key);
        run();
      }, ms),
    );
  };

  const claimed = async (key: string): Promise<boolean> => {
    try {
      return await claims.claim(key, clock.now());
    } catch {
      ring ??= import('./ring.js').then(({ createRing }) => createRing());
      return (await ring)(key);
    }
  };
  /** What of it still needs attention now; `null`: nothing, or not here. */
  const due = ({ ids, breaksThrough }: Bid): readonly string[] | null => {
    const left = ids.filter(open);
    if (!left.length || !stage.ready() || !undo.length) return null;
    if (!hushed() || breaksThrough) return left;
    for (const id of left) waiting['do-not-disturb'].add(id);
    return null;
  };
  const show = async ({ key, reason }: Bid, ids: readonly string[]): Promise<boolean> => {
    if (reason) return stage.show(key, null, { count: ids.length, reason });
    const alert = open(key);
    if (!alert) return true;
    const unwatched = setup.hidden !== 'none' && !browser.visible() && !setup.presence().visible;
    const notified = unwatched && system();
    if (notified && (await notified.then(({ notify }) => notify(browser, alert, host.user())).catch(() => false))) {
      return true;
    }
    return stage.show(key, alert, null);
  };
  const sweep = (): void => {
    const ids = over;
    over = new Set();
    const notified = system();
    if (notified) notified.then(({ unnotify }) => unnotify(browser, ids)).catch(() => {});
  };
  const settle = async (bid: Bid, round: number): Promise<void> => {
    if (!due(bid)) return;
    const mine = await claimed(bid.key);
    if (!mine && setup.present !== 'every-tab') {
      const wait = AGAIN_MS[round];
      if (wait) later(bid.key, wait, () => settle(bid, round + 1).catch(host.report));
      return;
    }
    const ids = due(bid);
    if (ids && !(await show(bid, ids)) && mine) await claims.release(bid.key);
  };
  const bid = (bid: Bid): void => {
    if (!stage.ready()) return;
    const wait = bidMs(browser.visible(), browser.focused());
    const run = () => settle(bid, 0).catch(host.report);
    if (wait) later(bid.key, wait, run);
    else run();
  };
  const sumUp = (reason: Reason): void => {
    const ids = [...waiting[reason]].sort();
    waiting[reason].clear();
    // Every tab finds the same key: that of the newest one.
    bid({ key: `${reason}/${ids.at(-1)}`, ids, reason, breaksThrough: false });
  };

  const badge = (wanted: NonNullable<AttentionOptions['badge']>): (() => void) => {
    const started = import('./badge.js').then(({ startBadge }) => startBadge(wanted, host.unread()));
    started.catch(host.report);
    return () => void started.then((end) => end()).catch(() => {});
  };

  const doNotDisturbChanged = (): void => {
    const is = hushed();
    const { until } = host.doNotDisturb();
    if (is && until) later('until', Date.parse(until) - host.serverNow(), doNotDisturbChanged);
    if (wasHushed && !is) sumUp('do-not-disturb');
    wasHushed = is;
  };

  return {
    sound: sound.state,
    setSound: sound.set,
    arrived(alerts, how) {
      sound.load();
      const moment = { now: host.serverNow(), hushed: hushed(), maxAgeMs };
      for (const alert of alerts) {
        const what = verdict(alert, how, moment);
        const { id } = alert;
        if (what === 'present') bid({ key: id, ids: [id], reason: null, breaksThrough: moment.hushed });
        else if (what !== 'nothing') waiting[what].add(id);
      }
      if (waiting.away.size) later('away', GATHER_MS, () => sumUp('away'));
    },
    changed(id) {
      if (open(id)) return;
      stage.end(id);
      // One look for all that a single frame changed.
      if (!over.size) queueMicrotask(sweep);
      over.add(id);
    },
    doNotDisturbChanged,
    onPresent: stage.add,
    start() {
      if (undo.length) return;
      undo = [setup.onPresence(stage.witness), sound.start()];
      if (setup.badge) undo.push(badge(setup.badge));
      doNotDisturbChanged();
    },
    stop() {
      for (const end of undo) end();
      undo = [];
      for (const timer of timers.values()) clock.clearTimeout(timer);
      timers.clear();
      for (const ids of Object.values(waiting)) ids.clear();
      stage.endAll();
      wasHushed = false;
    },
  };
}
