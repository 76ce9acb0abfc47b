/** The elements that a page loads when it comes to them. */

import { define } from './element.js';

/** Loads inbox and settings and makes their tags known; elements that stand there already come to life. */
export async function defineLater(): Promise<void> {
  const [{ BelfryInbox }, settings] = await Promise.all([import('./inbox.js'), import('./settings.js')]);
  define(BelfryInbox, ...Object.values(settings));
}
