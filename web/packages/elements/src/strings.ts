/** Words in the page's language. `setStrings` replaces some or all, for one language or for every one. */

import { changed } from './changes.js';
import { localeOf } from './locale.js';

/** A text that depends on a number; `other` is what is left. `{n}` is the number. */
export type Plural = { readonly [C in Intl.LDMLPluralRule]?: string } & { readonly other: string };

type Word =
  | 'notifications'
  | 'critical'
  | 'warning'
  | 'unreadMark'
  | 'dismiss'
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
  | 'connecting'
  | 'live'
  | 'reconnecting'
  | 'offline'
  | 'tryNow'
  | 'noNetwork'
  | 'signIn'
  | 'otherUser'
  | 'unreachable'
  | 'doNotDisturb'
  | 'until'
  | 'untilOff'
  | 'oneHour'
  | 'tomorrow'
  | 'turnOn'
  | 'turnOff'
  | 'sound'
  | 'soundBlocked'
  | 'pushTitle'
  | 'pushText'
  | 'pushBlocked'
  | 'pushInstall'
  | 'pushOn'
  | 'pushOther'
  | 'notNow'
  | 'announcement'
  | 'push'
  | 'email'
  | 'everythingElse'
  | 'quietHours'
  | 'from'
  | 'to'
  | 'add'
  | 'remove';

type Counted = 'unread' | 'newAlerts' | 'away' | 'quiet';

/** The table. `{time}` is an hour. */
export type Strings = { readonly [W in Word]: string } & { readonly [C in Counted]: Plural };

/** By language; what stands under `''` goes before all of them. */
const tables = new Map<string, Partial<Strings>>();

/** Looks for a replaced word. The first `setStrings` sets it: a page that keeps the words as they are pays nothing for it. */
let find: typeof replaced | undefined;

/** Replaces words: in one language, or, without one, in every language. Elements on the page change at once. */
export function setStrings(strings: Partial<Strings>, lang = ''): void {
  const key = lang.toLowerCase();
  tables.set(key, { ...tables.get(key), ...strings });
  find = replaced;
  changed();
}

function replaced(element: Element): Partial<Strings> {
  const tag = localeOf(element).toLowerCase();
  const [language = ''] = tag.split('-');
  return { ...tables.get(language), ...tables.get(tag), ...tables.get('') };
}

/** One of an element's own words, or what the page has in its place. */
export function wordOf<N extends keyof Strings>(element: Element, own: Pick<Strings, N>, name: N): Strings[N] {
  return find?.(element)[name] ?? own[name];
}

export type { Counted, Word };
