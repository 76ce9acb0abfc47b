/** Do-not-disturb and preferences: kept by the server, changed over HTTP, the news of it comes as a frame. */

import type { DoNotDisturbState, Preferences, DoNotDisturb as Setting } from '@belfry/protocol';
import { handled } from './failure.js';
import { writable } from './readable.js';
import type { Call } from './rest.js';
import type { Client, DoNotDisturb } from './types.js';

/** On until it is switched off. */
const FOR_EVER = '9999-01-01T00:00:00Z';

export const quietNever: DoNotDisturb = { active: false, until: null, schedule: [], timeZone: null };

export const asDoNotDisturb = ({ active, until, schedule, time_zone }: DoNotDisturbState): DoNotDisturb => ({
  active,
  until,
  schedule,
  timeZone: time_zone,
});

/** Replaces what the change names and keeps the rest, which another device may have set. */
export async function setDoNotDisturb(call: Call, change: Parameters<Client['setDoNotDisturb']>[0]): Promise<void> {
  const path = 'v1/do-not-disturb';
  const setting = await call<Setting>('GET', path);
  if ('until' in change) {
    const { until } = change;
    setting.until = until === 'off' ? null : until === 'on' ? FOR_EVER : until.toISOString();
  } else {
    setting.schedule = [...change.schedule];
    setting.time_zone = change.timeZone ?? setting.time_zone;
  }
  await call('PUT', path, setting);
}

export interface PreferencesPart {
  readonly preferences: Client['preferences'];
  /** They may be others now. */
  stale(): void;
  forget(): void;
}

export function createPreferences(call: Call, report: (error: unknown) => void): PreferencesPart {
  const path = 'v1/preferences';
  const value = writable<Preferences | null>(null, report);
  const load = async (): Promise<Preferences> => {
    const loaded = await call<Preferences>('GET', path);
    value.set(loaded);
    return loaded;
  };
  const set = async (change: Parameters<Client['preferences']['set']>[0]): Promise<void> => {
    const before = value.get() ?? (await load());
    const categories = { ...before.categories };
    for (const [name, choices] of Object.entries(change.categories ?? {})) {
      categories[name] = { ...categories[name], ...choices };
    }
    const wanted = { default: { ...before.default, ...change.default }, categories };
    value.set(wanted);
    try {
      value.set(await call<Preferences>('PUT', path, wanted));
    } catch (error) {
      if (value.get() === wanted) value.set(before);
      throw error;
    }
  };
  return {
    preferences: {
      get: value.get,
      subscribe: value.subscribe,
      load: () => handled(load().then(() => {})),
      set: (change) => handled(set(change)),
    },
    stale() {
      if (value.get()) load().catch(report);
    },
    forget() {
      value.set(null);
    },
  };
}
