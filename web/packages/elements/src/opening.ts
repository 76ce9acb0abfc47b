/** Following an alert: by its link, by an action, with or without the application's help. */

import type { AnyAlert, Client } from '@belfry/client';
import type { Action } from './actions.js';
import { emit } from './dom.js';
import { modified } from './input.js';

/** What `belfry-open` says. */
export interface OpenDetail {
  readonly alert: AnyAlert;
  readonly url: string | null;
}

/**
 * A click on an alert, or on one of its actions. With a modifier the browser opens the link itself, and the alert is read.
 * Otherwise `belfry-open` asks the application; if it does not take over, `go` goes there. Answers what has to be saved.
 */
export function open(
  event: MouseEvent,
  from: EventTarget,
  client: Client,
  alert: AnyAlert,
  action?: Action,
  go: () => void = () => client.open(alert),
): Promise<void> | undefined {
  const url = (action ?? alert).link ?? null;
  const aside = url && modified(event);
  if (!aside) event.preventDefault();
  if (aside || !emit(from, 'belfry-open', { alert, url } satisfies OpenDetail)) return client.markRead(alert);
  if (action) return client.markActed(alert.id, action.id);
  go();
  return undefined;
}

/** For changes that are worth trying and not worth a message: the client has reported what went wrong. */
export function quietly(change: Promise<unknown> | undefined): void {
  change?.catch(() => {});
}
