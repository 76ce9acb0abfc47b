import { useEventBus } from '@belfry/react';
import { type ReactNode, useCallback, useEffect, useState } from 'react';
import type { DealInfo } from '../kinds.js';
import { api } from './api.js';
import { price } from './deals.js';
import { follow } from './route.js';
import { usePerson } from './session.js';

export function DealsPage({ item }: { readonly item: string | undefined }): ReactNode {
  const { locale } = usePerson();
  const [deals, setDeals] = useState<readonly DealInfo[] | null>(null);
  const load = useCallback(() => void api.deals().then(setDeals, () => {}), []);
  useEffect(load, [load]);
  // Every tab that shows the page brings it up to date; the toast is another matter, and comes once.
  useEventBus('notification:deal', load, { replay: 'catch-up' });
  if (deals === null) return null;
  return (
    <>
      <h1>Deals on your list</h1>
      {deals.length === 0 && (
        <p className="empty">
          Nothing of your <Path to="/watch-list">watch list</Path> is on offer. In the <Path to="/office">office</Path>{' '}
          the next flyer is waiting.
        </p>
      )}
      <ul className="deals">
        {deals.map((deal) => (
          <li key={deal.item_name} aria-current={deal.item_name === item ? 'true' : undefined}>
            <span className="item">{deal.item_name}</span>
            <span className="store">{deal.store_name}</span>
            <span className="price">{price(deal.best_price_in_cents, locale)}</span>
          </li>
        ))}
      </ul>
    </>
  );
}

function Path({ to, children }: { readonly to: string; readonly children: string }): ReactNode {
  return (
    <a href={to} onClick={follow}>
      {children}
    </a>
  );
}
