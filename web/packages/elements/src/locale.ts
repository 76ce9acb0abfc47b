/** What depends on the language: which one it is, and how it counts. */

import type { Plural } from './strings.js';

/** Says a number by the language's own rules. */
export function counted(text: Plural, n: number, locale: string): string {
  return (text[new Intl.PluralRules(locale).select(n)] ?? text.other).replace('{n}', n.toLocaleString(locale));
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
