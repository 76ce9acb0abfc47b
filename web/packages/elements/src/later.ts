/** The elements that a page loads when it comes to them. */

import { define } from './element.js';

type Later = typeof import('./later-elements.js');

let here: Later | undefined;

/** Makes inbox and settings known; elements that stand there already come to life. Goes on at once where they are here. */
export async function withLater(use?: (later: Later) => void): Promise<void> {
  if (!here) {
    here = await import('./later-elements.js');
    define(...here.elements);
  }
  use?.(here);
}
