/** Do-not-disturb and preferences, as a person changes them over HTTP. */

import type { Preferences, DoNotDisturb as Setting } from '@belfry/protocol';
import type { Writable } from './readable.js';
import type { Call } from './rest.js';
import type { Client } from './types.js';

/** On until it is switched off. */
const FOR_EVER = '9999-01-01T00:00:00Z';
const PREFERENCES = 'v1/preferences';

export interface Settings extends Pick<Client, 'setDoNotDisturb'>, Pick<Client['preferences'], 'load' | 'set'> {}

/** `value` follows the preferences. */
export function createSettings(call: Call, value: Writable<Preferences | null>): Settings {
  return {
    /** Replaces what the change names and keeps the rest, which another device may have set. */
    async setDoNotDisturb(change) {
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
    },
    async load() {
      value.set(await call<Preferences>('GET', PREFERENCES));
    },
    /** Shown at once, and taken back where the server refused. */
    async set(change) {
      const before = value.get() ?? (await call<Preferences>('GET', PREFERENCES));
      const categories = { ...before.categories };
      for (const [name, choices] of Object.entries(change.categories ?? {})) {
        categories[name] = { ...categories[name], ...choices };
      }
      const wanted = { default: { ...before.default, ...change.default }, categories };
      value.set(wanted);
      try {
        value.set(await call<Preferences>('PUT', PREFERENCES, wanted));
      } catch (error) {
        if (value.get() === wanted) value.set(before);
        throw error;
      }
    },
  };
}
