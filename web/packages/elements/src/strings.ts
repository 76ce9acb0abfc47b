/** Words in the page's language. `setStrings` replaces some or all, for one language or for every one. */

import { changed } from './changes.js';

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

/** Replaces words: in one language, or, without one, in every language. Elements on the page change at once. */
export function setStrings(strings: Partial<Strings>, lang = ''): void {
  const key = lang.toLowerCase();
  tables.set(key, { ...tables.get(key), ...strings });
  changed();
}

/** Says one of these texts in a language, with its number and its hour filled in. */
export function say(
  words: Partial<Strings>,
  locale: string,
  name: Word | Counted,
  { n = 0, time = '' }: { n?: number; time?: string } = {},
): string {
  const tag = locale.toLowerCase();
  const [language = ''] = tag.split('-');
  const text = { ...words, ...tables.get(language), ...tables.get(tag), ...tables.get('') }[name] ?? '';
  const form = typeof text === 'string' ? text : (text[new Intl.PluralRules(locale).select(n)] ?? text.other);
  return form.replace('{n}', n.toLocaleString(locale)).replace('{time}', time);
}

/** The language that an element is in: the nearest `lang`, through shadow roots, else the browser's. */
export function localeOf(element: Element): string {
  const lang = element.closest<HTMLElement>('[lang]')?.lang;
  const { host } = element.getRootNode() as Partial<ShadowRoot>;
  if (!lang && host) return localeOf(host);
  try {
    return Intl.getCanonicalLocales(lang || navigator.language)[0] ?? 'en';
  } catch {
    // `Intl` throws at tags like `en_US`.
    return 'en';
  }
}

export type { Counted, Word };
