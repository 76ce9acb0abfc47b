/** Following an alert: by its link, by an action, with or without the application's help. */

import type { AnyAlert, Client } from '@belfry/client';
import { type Child, emit, h } from './dom.js';

/** What `belfry-open` says. */
export interface OpenDetail {
  readonly alert: AnyAlert;
  readonly url: string | null;
}

/** A button that an alert brings along. */
export type Action = AnyAlert['actions'][number];

/** A link that a browser may follow; anything but http and https is none. */
export function href(link: string | null | undefined): string | null {
  if (!link) return null;
  try {
    const { protocol } = new URL(link, location.href);
    return protocol === 'https:' || protocol === 'http:' ? link : null;
  } catch {
    return null;
  }
}

/** A link where there is one, so that every way of opening links works; else a button. */
export function control(
  link: string | null | undefined,
  props: { readonly [name: string]: unknown },
  ...children: readonly Child[]
): HTMLElement {
  const url = href(link);
  return url ? h('a', { href: url, ...props }, ...children) : h('button', props, ...children);
}

/**
 * A click on an alert. With a modifier the browser opens the link itself, and the alert is read. Otherwise `belfry-open`
 * asks the application; if it does not take over, `follow` goes there.
 */
export function open(
  event: MouseEvent,
  from: EventTarget,
  client: Client,
  { alert, url }: OpenDetail,
  follow: () => unknown,
): void {
  const aside = event.ctrlKey || event.metaKey || event.shiftKey || event.altKey;
  if (aside && url) return void quietly(client.markRead(alert));
  event.preventDefault();
  if (emit(from, 'belfry-open', { alert, url } satisfies OpenDetail)) follow();
  else quietly(client.markRead(alert));
}

/** For changes that are worth trying and not worth a message: the client has reported what went wrong. */
export function quietly(change: Promise<unknown>): void {
  change.catch(() => {});
}
