/** The elements that a page loads when it comes to them. */

import { define } from './element.js';

/** Loads inbox and settings and makes their tags known; elements that stand there already come to life. */
export async function defineLater(): Promise<void> {
  define(...Object.values(await import('./later-elements.js')));
}
