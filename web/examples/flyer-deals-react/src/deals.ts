/** How deals are written. */

import type { DealInfo } from '../kinds.js';

/** A price as this person writes prices. */
export function price(cents: number, locale: string): string {
  return new Intl.NumberFormat(locale, { style: 'currency', currency: 'EUR' }).format(cents / 100);
}

/** `Oat milk €1.29 at Greenleaf Grocers`. */
function line(deal: DealInfo, locale: string): string {
  return `${deal.item_name} ${price(deal.best_price_in_cents, locale)} at ${deal.store_name}`;
}

/** The best two, and how many more there are. */
export function summary(deals: readonly DealInfo[], locale: string): string {
  const best = deals.slice(0, 2).map((deal) => line(deal, locale));
  return [...best, ...(deals.length > 2 ? [`and ${deals.length - 2} more`] : [])].join(', ');
}

/** A single deal leads to itself, several to the page with all of them. */
export function pathOf(deals: readonly DealInfo[]): string {
  const [deal] = deals;
  return deals.length === 1 && deal !== undefined ? `/deals/${encodeURIComponent(deal.item_name)}` : '/deals';
}
