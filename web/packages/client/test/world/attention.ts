/** One tab's presenting, with everything it needs in the hands of a test. */

import { createFakeClock, type FakeClock } from '@belfry/testing';
import type { Attention, AttentionHost } from '../../src/attention/attention.js';
import { createAttention } from '../../src/attention/presenter.js';
import type { AnyAlert, AttentionOptions, DoNotDisturb, Presentation } from '../../src/types.js';

/** What the tabs of one browser share. */
export interface Shared {
  readonly clock: FakeClock;
  readonly claimed: Set<string>;
  readonly stored: Map<string, string>;
  /** How long the store takes to answer. */
  readonly answerMs: number;
}

export const shared = (answerMs = 0): Shared => ({
  clock: createFakeClock(),
  claimed: new Set(),
  stored: new Map(),
  answerMs,
});

export interface Rig {
  readonly attention: Attention;
  readonly clock: FakeClock;
  readonly shown: Presentation[];
  readonly displayed: string[];
  readonly opened: AnyAlert[];
  readonly reported: unknown[];
  readonly alerts: Map<string, AnyAlert>;
  visible: boolean;
  focused: boolean;
  /** Whether any tab of the browser is visible; missing: this one. */
  anyVisible: boolean | undefined;
  lastInputAt: number;
  doNotDisturb: DoNotDisturb;
  user: string | null;
  /** An alert arrives. */
  arrive(alert: Partial<AnyAlert> & { id: string }, how?: 'live' | 'catch-up' | 'page'): void;
  change(id: string, state: Partial<AnyAlert['state']> | null): void;
  presence(): void;
  present(presenter?: (presentation: Presentation) => void | false | Promise<void>): () => void;
}

export const quiet = (active: boolean, until: string | null = null): DoNotDisturb => ({
  active,
  until,
  schedule: [],
  timeZone: null,
});

/** A visible tab in front of somebody, with a presenter, started. */
export function rig(options: AttentionOptions = { sound: false }, common: Shared = shared()): Rig {
  const { clock } = common;
  const listeners = new Set<() => void>();
  const host: AttentionHost = {
    user: () => it.user,
    current: (id) => it.alerts.get(id) ?? null,
    doNotDisturb: () => it.doNotDisturb,
    unread: () => ({ get: () => it.alerts.size, subscribe: () => () => {} }),
    serverNow: () => clock.now(),
    displayed: (ids) => it.displayed.push(...ids),
    open: (alert) => it.opened.push(alert),
    report: (error) => it.reported.push(error),
  };
  const it: Rig = {
    clock,
    shown: [],
    displayed: [],
    opened: [],
    reported: [],
    alerts: new Map(),
    visible: true,
    focused: true,
    anyVisible: undefined,
    lastInputAt: clock.now(),
    doNotDisturb: quiet(false),
    user: 'ann',
    attention: createAttention(
      {
        ...options,
        browser: {
          clock,
          storage: {
            getItem: (key) => common.stored.get(key) ?? null,
            setItem: (key, value) => void common.stored.set(key, value),
            removeItem: (key) => void common.stored.delete(key),
          },
          visible: () => it.visible,
          focused: () => it.focused,
          base: new URL('https://app.test/belfry/'),
        },
        presence: () => ({
          lastInputAt: it.lastInputAt,
          visible: it.anyVisible ?? it.visible,
          focused: it.focused,
        }),
        onPresence(listener) {
          listeners.add(listener);
          return () => listeners.delete(listener);
        },
        claims: {
          async claim(id) {
            const free = !common.claimed.has(id);
            common.claimed.add(id);
            if (common.answerMs) await new Promise<void>((done) => clock.setTimeout(done, common.answerMs));
            return free;
          },
          async release(id) {
            common.claimed.delete(id);
          },
        },
      },
      host,
    ),
    arrive(alert, how = 'live') {
      const whole = {
        kind: 'note',
        data: {},
        title: 'A note',
        body: null,
        severity: 'info',
        category: 'notes',
        link: '/notes',
        image: null,
        actions: [],
        thread: null,
        createdAt: new Date(clock.now()).toISOString(),
        expiresAt: null,
        quiet: false,
        stream: 'user',
        seq: it.alerts.size + 1,
        state: { seen: false, read: false, archived: false, acted: false },
        ...alert,
      } as AnyAlert;
      it.alerts.set(whole.id, whole);
      it.attention.arrived([whole], how);
    },
    change(id, state) {
      const old = it.alerts.get(id);
      if (old && state) it.alerts.set(id, { ...old, state: { ...old.state, ...state } });
      else it.alerts.delete(id);
      it.attention.changed(id, it.alerts.get(id) ?? null);
    },
    presence() {
      for (const listener of listeners) listener();
    },
    present: (presenter) =>
      it.attention.onPresent((presentation) => {
        it.shown.push(presentation);
        return presenter?.(presentation);
      }),
  };
  it.attention.start();
  return it;
}
