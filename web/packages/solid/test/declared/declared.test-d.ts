/** With kinds as `belfry types` declares them: each has its data, and a typo is refused. */

import type { Client } from '@belfry/client';
import { useEventBus, useRealtimeAlerts } from '@belfry/solid';

interface Deal {
  best_price_in_cents: number;
}

declare global {
  interface BelfryKinds {
    'deal-notification': { deals: Deal[] };
    'system-message': { message: string };
  }
  interface BelfryEvents {
    'notification:deal': { deals: Deal[] };
    'notification:system': { message: string };
  }
}

/** Accepts a value of exactly this type. */
declare function exactly<T>(): <V>(value: V & ([T, V] extends [V, T] ? unknown : never)) => void;

declare const client: Client;

client.on('deal-notification', (alert) => {
  exactly<number | undefined>()(alert.data.deals[0]?.best_price_in_cents);
  exactly<'deal-notification'>()(alert.kind);
});

export function Page(): null {
  useEventBus('notification:deal', (data, alert) => {
    exactly<number | undefined>()(data.deals[0]?.best_price_in_cents);
    if (alert.kind === 'system-message') exactly<string>()(alert.data.message);
  });

  useEventBus('notification:system', (data) => exactly<string>()(data.message), { present: true });

  // @ts-expect-error no such kind
  client.on('deal-notifcation', () => {});

  // @ts-expect-error no such event
  useEventBus('notification:deals', () => {});

  // @ts-expect-error no such kind
  useRealtimeAlerts({ kinds: ['deal'] });

  // @ts-expect-error the data has no such field
  useEventBus('notification:deal', (data) => data.offers);

  const { alerts } = useRealtimeAlerts({ kinds: ['deal-notification'] });
  for (const alert of alerts()) {
    if (alert.kind === 'deal-notification') exactly<Deal[]>()(alert.data.deals);
    else exactly<string>()(alert.data.message);
  }
  return null;
}
