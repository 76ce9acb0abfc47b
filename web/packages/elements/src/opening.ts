/** Following an alert: by its link, by an action, with or without the application's help. */

import type { AnyAlert, Client } from '@belfry/client';
import { emit, modified } from './dom.js';

/** What `belfry-open` says. */
export interface OpenDetail {
  readonly alert: AnyAlert;
  readonly url: string | null;
}

/**
 * A click on an alert. With a modifier the browser opens the link itself, and the alert is read. Otherwise `belfry-open`
 * asks the application; if it does not take over, `follow` goes there.
 */
export function open(
  event: MouseEvent,
  from: EventTarget,
  client: Client,
  detail: OpenDetail,
  follow: () => unknown,
): void {
  const aside = detail.url && modified(event);
  if (!aside) event.preventDefault();
  if (!aside && emit(from, 'belfry-open', detail)) follow();
  else quietly(client.markRead(detail.alert));
}

/** For changes that are worth trying and not worth a message: the client has reported what went wrong. */
export function quietly(change: Promise<unknown> | undefined): void {
  change?.catch(() => {});
}
