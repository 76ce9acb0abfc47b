/** Flyers, what people watch, and which of the one are deals for the other. Nothing here knows of alerts. */

import type { DealInfo } from '../kinds.js';

/** What one store offers this week. */
export interface Flyer {
  readonly id: string;
  readonly store_id: number | string;
  readonly store_name: string;
  readonly items: readonly { readonly item_name: string; readonly price_in_cents: number }[];
}

/** An item that somebody wants to buy at this price or less. */
export interface Watched {
  readonly item_name: string;
  readonly at_most_in_cents: number;
}

/** The deals in these flyers on what one person watches: the best price of each item, best saving first. */
export function dealsFor(watched: readonly Watched[], flyers: readonly Flyer[]): DealInfo[] {
  const found = watched.flatMap(({ item_name, at_most_in_cents }) => {
    const best = offersOf(item_name, flyers).sort((a, b) => a.best_price_in_cents - b.best_price_in_cents)[0];
    if (best === undefined || best.best_price_in_cents > at_most_in_cents) return [];
    return [{ deal: best, saving: 1 - best.best_price_in_cents / at_most_in_cents }];
  });
  return found.sort((a, b) => b.saving - a.saving).map(({ deal }) => deal);
}

function offersOf(item: string, flyers: readonly Flyer[]): DealInfo[] {
  return flyers.flatMap(({ store_id, store_name, items }) =>
    items
      .filter(({ item_name }) => sameItem(item_name, item))
      .map(({ item_name, price_in_cents }) => ({
        item_name,
        best_price_in_cents: price_in_cents,
        store_name,
        store_id,
      })),
  );
}

/** Whether two names are the same item: case and spaces do not matter. */
export function sameItem(a: string, b: string): boolean {
  const plain = (name: string): string => name.trim().toLowerCase().replace(/\s+/g, ' ');
  return plain(a) === plain(b);
}

/** A watch list as people write it, one item and its price per line: `Oat milk 1.50`. Lines that are none come back. */
export function parseWatchList(text: string): { readonly items: Watched[]; readonly refused: string[] } {
  const items: Watched[] = [];
  const refused: string[] = [];
  for (const line of text.split('\n').map((one) => one.trim())) {
    if (line === '') continue;
    const [, name, price] = /^(.{1,200}?)[\s:;]+(\d{1,5}(?:[.,]\d{1,2})?)$/.exec(line) ?? [];
    if (name === undefined || price === undefined) refused.push(line);
    else items.push({ item_name: name, at_most_in_cents: Math.round(Number(price.replace(',', '.')) * 100) });
  }
  return { items, refused };
}
