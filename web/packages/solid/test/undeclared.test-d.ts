/** Without declared kinds: any name with any object, and nothing is `never`. */

import type { Client } from '@belfry/client';
import { useEventBus, useRealtimeAlerts } from '@belfry/solid';

/** Accepts a value of exactly this type. */
declare function exactly<T>(): <V>(value: V & ([T, V] extends [V, T] ? unknown : never)) => void;

declare const client: Client;

client.on('deal-notification', (alert) => {
  exactly<unknown>()(alert.data['deals']);
  exactly<'deal-notification'>()(alert.kind);
});

export function Page(): null {
  useEventBus('notification:deal', (data, alert) => {
    exactly<unknown>()(data['deals']);
    exactly<string>()(alert.title);
  });

  // @ts-expect-error no event has this form
  useEventBus('deal', () => {});

  const { alerts, markRead } = useRealtimeAlerts({ kinds: ['anything'], toast: ({ alert }) => void alert?.title });
  const first = alerts()[0];
  if (first) void markRead(first);
  return null;
}
