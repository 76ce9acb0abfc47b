/** What inbox and settings say, by element: loaded with them. All words are in `Strings`. */

import type { Strings } from './strings.js';

type Words<N extends keyof Strings> = Pick<Strings, N>;

/** What the inbox says. */
export const inboxWords: Words<
  | 'notifications'
  | 'unread'
  | 'critical'
  | 'warning'
  | 'unreadMark'
  | 'all'
  | 'unreadOnly'
  | 'markRead'
  | 'markUnread'
  | 'markAllRead'
  | 'archive'
  | 'archived'
  | 'undo'
  | 'older'
  | 'empty'
  | 'emptyHint'
  | 'emptyUnread'
  | 'loading'
  | 'failed'
  | 'tryAgain'
  | 'notSaved'
  | 'readOnly'
> = {
  notifications: 'Notifications',
  unread: { other: '{n} unread' },
  critical: 'Critical',
  warning: 'Warning',
  unreadMark: 'unread',
  all: 'All',
  unreadOnly: 'Unread',
  markRead: 'Mark as read',
  markUnread: 'Mark as unread',
  markAllRead: 'Mark all as read',
  archive: 'Archive',
  archived: 'Archived',
  undo: 'Undo',
  older: 'Show older',
  empty: 'You’re all caught up',
  emptyHint: 'New alerts appear here as they happen.',
  emptyUnread: 'Nothing unread',
  loading: 'Loading…',
  failed: 'That could not be loaded.',
  tryAgain: 'Try again',
  notSaved: 'That could not be saved.',
  readOnly: 'You are offline. Changes have to wait.',
};

/** What the switch of do-not-disturb says. `{time}` is an hour. */
export const quietWords: Words<'doNotDisturb' | 'until' | 'untilOff' | 'oneHour' | 'tomorrow' | 'turnOff'> = {
  doNotDisturb: 'Do not disturb',
  until: 'Until {time}',
  untilOff: 'Until I turn it off',
  oneHour: '1 hour',
  tomorrow: 'Until tomorrow',
  turnOff: 'Turn off',
};

/** What the switch of the chime says. */
export const soundWords: Words<'sound' | 'soundBlocked'> = {
  sound: 'Sound',
  soundBlocked: 'Your browser allows sound after your next click.',
};

/** What the question about push says. */
export const pushWords: Words<
  | 'push'
  | 'pushTitle'
  | 'pushText'
  | 'pushBlocked'
  | 'pushInstall'
  | 'pushOn'
  | 'pushOther'
  | 'turnOn'
  | 'turnOff'
  | 'notNow'
  | 'dismiss'
> = {
  push: 'Push',
  pushTitle: 'Hear of this when the page is closed?',
  pushText: 'Alerts can reach you on this device. You can turn that off at any time.',
  pushBlocked: 'Your browser blocks notifications of this site. Allow them in its site settings, beside the address.',
  pushInstall: 'To get alerts on this device, open the share menu and choose “Add to Home Screen”.',
  pushOn: 'Alerts reach this device.',
  pushOther: 'Alerts on this device go to another account.',
  turnOn: 'Turn on',
  turnOff: 'Turn off',
  notNow: 'Not now',
  dismiss: 'Dismiss',
};

/** What the preferences say. */
export const preferenceWords: Words<
  'failed' | 'notSaved' | 'push' | 'email' | 'everythingElse' | 'quietHours' | 'from' | 'to' | 'add' | 'remove'
> = {
  failed: 'That could not be loaded.',
  notSaved: 'That could not be saved.',
  push: 'Push',
  email: 'E-mail',
  everythingElse: 'Everything else',
  quietHours: 'Quiet hours',
  from: 'From',
  to: 'To',
  add: 'Add',
  remove: 'Remove',
};

/** What the banner says. */
export const announcementWords: Words<'announcement' | 'dismiss'> = {
  announcement: 'Announcement',
  dismiss: 'Dismiss',
};
