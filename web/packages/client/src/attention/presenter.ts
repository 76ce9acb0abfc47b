/** Presents alerts: to whom, when, how often. */

import type { Browser } from '../browser.js';
import { writable } from '../readable.js';
import type { Tabs } from '../tabs/tabs.js';
import type { AttentionOptions } from '../types.js';
import type { Attention, AttentionHost } from './attention.js';

/** What presenting needs of the browser and of the tabs. */
export interface AttentionSetup extends AttentionOptions {
  readonly browser: Pick<Browser, 'clock' | 'storage' | 'visible' | 'focused' | 'base'>;
  readonly presence: Tabs['presence'];
  readonly onPresence: Tabs['onPresence'];
}

/** Listens to nothing before `start`. */
export function createAttention(setup: AttentionSetup, host: AttentionHost): Attention {
  const sound = writable({ enabled: setup.sound !== false, blocked: false }, host.report);
  return {
    sound,
    setSound(enabled) {
      sound.set({ ...sound.get(), enabled });
    },
    arrived() {},
    changed() {},
    doNotDisturbChanged() {},
    onPresent: () => () => {},
    start() {},
    stop() {},
  };
}
