/** What is said on a page at once, by element. All words are in `Strings`. */

import type { Strings } from './strings.js';

type Words<N extends keyof Strings> = Pick<Strings, N>;

/** What toasts say. */
export const toastWords: Words<'notifications' | 'critical' | 'warning' | 'dismiss'> = {
  notifications: 'Notifications',
  critical: 'Critical',
  warning: 'Warning',
  dismiss: 'Dismiss',
};

/** What the bell says. */
export const bellWords: Words<'notifications' | 'unread' | 'doNotDisturb' | 'until'> = {
  notifications: 'Notifications',
  unread: { other: '{n} unread' },
  doNotDisturb: 'Do not disturb',
  until: 'Until {time}',
};

/** What the connection says. */
export const connectionWords: Words<
  'connecting' | 'live' | 'reconnecting' | 'offline' | 'tryNow' | 'noNetwork' | 'signIn' | 'otherUser' | 'unreachable'
> = {
  connecting: 'Connecting',
  live: 'Live',
  reconnecting: 'Reconnecting…',
  offline: 'Offline',
  tryNow: 'Try now',
  noNetwork: 'No network',
  signIn: 'Sign in again',
  otherUser: 'Someone else signed in',
  unreachable: 'No answer from the server',
};
