/** The unread number outside the page's content: before its title, and on the application's icon. */

import { attempt, pageDocument } from '../browser.js';
import type { AttentionOptions, Readable, Unsubscribe } from '../types.js';

/** Shows the number until it is called off. */
export function startBadge(
  { title, app }: NonNullable<AttentionOptions['badge']>,
  unread: Readable<number>,
): Unsubscribe {
  const page = pageDocument();
  let prefix = '';
  const write = (next: string): void => {
    if (!page || !title) return;
    const bare = page.title.startsWith(prefix) ? page.title.slice(prefix.length) : page.title;
    prefix = next;
    if (page.title !== prefix + bare) page.title = prefix + bare;
  };
  const rewrite = (): void => {
    const count = unread.get();
    write(count ? `(${count > 99 ? '99+' : count}) ` : '');
  };
  const changed = (): void => {
    rewrite();
    if (app) attempt(() => navigator.setAppBadge(unread.get()).catch(() => {}));
  };
  // Routers write the title whenever they like.
  const observer = title && page && new MutationObserver(rewrite);
  if (observer) observer.observe(page.head, { childList: true, subtree: true, characterData: true });
  changed();
  const unsubscribe = unread.subscribe(changed);
  return () => {
    unsubscribe();
    if (observer) observer.disconnect();
    write('');
  };
}
