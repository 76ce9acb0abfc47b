/** What toasts say of many at once. */

import type { Strings } from '../strings.js';

/** By what happened. */
export const manyWords: Pick<Strings, 'newAlerts' | 'away' | 'quiet'> = {
  newAlerts: { one: '{n} new alert', other: '{n} new alerts' },
  away: { one: '{n} alert while you were away', other: '{n} alerts while you were away' },
  quiet: { one: '{n} alert while Do not disturb was on', other: '{n} alerts while Do not disturb was on' },
};
