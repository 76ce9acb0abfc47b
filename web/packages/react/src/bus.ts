/** Handlers for what arrives. */

import type { AnyAlert, EventName, Events, On } from '@belfry/client';
import { useEffect, useInsertionEffect, useRef } from 'react';
import { useBelfry } from './provider.js';

export type EventBusOptions = Omit<On, 'signal'>;

/** Calls the handler with the data of each alert of this event, always the handler of the last render. */
export function useEventBus<E extends EventName>(
  event: E,
  handler: (data: Events[E], alert: AnyAlert) => void,
  { present = false, replay }: EventBusOptions = {},
): void {
  const client = useBelfry();
  const latest = useLatest(handler);
  useEffect(
    () =>
      client.on(event, (data: Events[E], alert: AnyAlert) => latest.current(data, alert), {
        present,
        ...(replay && { replay }),
      }),
    [client, event, present, replay, latest],
  );
}

/** The value of the last render, for what is called later. */
export function useLatest<T>(value: T): { readonly current: T } {
  const ref = useRef(value);
  // Insertion effects run before all others, so no effect ever sees the value of an earlier render.
  useInsertionEffect(() => {
    ref.current = value;
  });
  return ref;
}
