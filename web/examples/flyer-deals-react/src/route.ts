/** Where the page is: a router of thirty lines, so that the example needs none. */

import { useSyncExternalStore } from 'react';

const MOVED = 'shop:moved';

/** Goes there without loading the page anew. Belfry's client follows links with it. */
export function go(url: string): void {
  history.pushState(null, '', url);
  dispatchEvent(new Event(MOVED));
  scrollTo(0, 0);
}

/** The path, without its slash at the end. */
export function usePath(): string {
  return useSyncExternalStore(subscribe, () => decodeURIComponent(location.pathname.replace(/(.)\/$/, '$1')));
}

function subscribe(changed: () => void): () => void {
  addEventListener('popstate', changed);
  addEventListener(MOVED, changed);
  return () => {
    removeEventListener('popstate', changed);
    removeEventListener(MOVED, changed);
  };
}

/** Without a modifier, and by the main button: the page may answer it itself. */
export function isPlain(event: Pick<MouseEvent, 'metaKey' | 'ctrlKey' | 'shiftKey' | 'altKey' | 'button'>): boolean {
  return !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey && event.button === 0;
}

/** A plain click goes by the router; with a modifier the browser does as always. */
export function follow(event: React.MouseEvent<HTMLAnchorElement>): void {
  if (!isPlain(event)) return;
  event.preventDefault();
  go(event.currentTarget.pathname);
}
