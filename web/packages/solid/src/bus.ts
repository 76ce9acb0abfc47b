/** Handlers for what arrives. */

import type { AnyAlert, EventName, Events, On } from '@belfry/client';
import { onCleanup, onMount } from 'solid-js';
import { useBelfry } from './provider.js';

export type EventBusOptions = Omit<On, 'signal'>;

/** Calls the handler with the data of each alert of this event while the owner lives. */
export function useEventBus<E extends EventName>(
  event: E,
  handler: (data: Events[E], alert: AnyAlert) => void,
  options: EventBusOptions = {},
): void {
  const client = useBelfry();
  onMount(() => onCleanup(client.on(event, (data: Events[E], alert: AnyAlert) => handler(data, alert), options)));
}
