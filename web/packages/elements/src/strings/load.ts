/** The translations, each a file of its own that only pages of its language load. */

import type { Strings } from '../strings.js';

const files: { readonly [lang: string]: () => Promise<Strings> } = {
  ar: () => import('./ar.js').then(({ ar }) => ar),
  de: () => import('./de.js').then(({ de }) => de),
  es: () => import('./es.js').then(({ es }) => es),
  fr: () => import('./fr.js').then(({ fr }) => fr),
  he: () => import('./he.js').then(({ he }) => he),
};

/** The words of a language; `null`: English, or none that is here, or it could not be loaded. */
export async function translations(tag: string): Promise<{ lang: string; strings: Strings } | null> {
  const lang = tag.toLowerCase().split('-')[0] ?? '';
  try {
    const strings = await files[lang]?.();
    return strings ? { lang, strings } : null;
  } catch {
    return null;
  }
}
