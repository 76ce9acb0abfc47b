/** What a toast and a row of the inbox draw alike. */

import type { AnyAlert } from '@belfry/client';
import { type Child, h, type Props } from './dom.js';
import { icon, marks } from './icons.js';

/** What there is to draw: an alert, or a title alone, and how grave it is. */
export type Content = Pick<AnyAlert, 'title' | 'severity'> & Partial<AnyAlert>;

/** A link that a browser may follow; anything but http and https is none. */
function href(link: string | null | undefined): string | null {
  return link && /^https?:$/.test(h('a', { href: link }).protocol) ? link : null;
}

/** A link where there is one, so that every way of opening links works; else a button. */
export function control(link: string | null | undefined, props: Props, ...children: readonly Child[]): HTMLElement {
  const url = href(link);
  return h(url ? 'a' : 'button', { href: url, dir: 'auto', ...props }, ...children);
}

/** Its picture, else the sign of its severity. */
export function mark({ image, severity }: Content): HTMLElement {
  const src = href(image);
  return h('span', { part: 'mark' }, src ? h('img', { src, alt: '', loading: 'lazy' }) : icon(marks[severity]));
}

/** Its text. */
export function body(text: string | null | undefined): Child {
  return text && h('p', { part: 'body', dir: 'auto' }, text.trim());
}
