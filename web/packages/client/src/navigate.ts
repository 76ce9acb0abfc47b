/** Follows links: only those that a browser opens as a page. */

import type { ClientOptions } from './types.js';

/** Another origin gets a tab of its own, and nothing of this page. */
export function navigate(link: string, options: Pick<ClientOptions, 'navigate'>): void {
  const url = new URL(link, location.href);
  if (!/^https?:$/.test(url.protocol)) return;
  if (url.origin !== location.origin) window.open(url, '_blank', 'noopener');
  else if (options.navigate) options.navigate(url.pathname + url.search + url.hash);
  else location.assign(url);
}
