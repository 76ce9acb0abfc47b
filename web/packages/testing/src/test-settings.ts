/** Preferences and push of a test client. */

import type { Client, PushState } from '@belfry/client';
import type { Preferences } from '@belfry/protocol';
import type { CallLog } from './test-calls.js';
import type { Value } from './value.js';

/** `client.preferences` over a value. */
export function preferencesOf(value: Value<Preferences | null>, log: CallLog): Client['preferences'] {
  return {
    get: () => value.get(),
    subscribe: (listener) => value.subscribe(listener),
    async load() {
      log.record({ method: 'preferences.load', args: [] });
      log.mayFail('preferences.load');
      if (value.get() === null) value.set({ default: {}, categories: {} });
    },
    async set(change) {
      log.record({ method: 'preferences.set', args: [change] });
      log.mayFail('preferences.set');
      const now = value.get() ?? { default: {}, categories: {} };
      const categories: Preferences['categories'] = { ...now.categories };
      for (const [name, choices] of Object.entries(change.categories ?? {})) {
        categories[name] = { ...categories[name], ...choices };
      }
      value.set({ default: { ...now.default, ...change.default }, categories });
    },
  };
}

/** `client.push` over a value; `answer` is what enabling leads to. */
export function pushOf(state: Value<PushState>, log: CallLog, answer: PushState): Client['push'] {
  return {
    state,
    async enable() {
      log.record({ method: 'push.enable', args: [] });
      log.mayFail('push.enable');
      state.set(answer);
      return answer;
    },
    async disable() {
      log.record({ method: 'push.disable', args: [] });
      log.mayFail('push.disable');
      state.set('off');
    },
  };
}
