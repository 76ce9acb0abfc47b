/** What stands in the toast of a deal alert: how many, and the best two prices with their stores. */

import type { DealInfo } from '../kinds.js';
import { price } from './deals.js';

export function dealToast(deals: readonly DealInfo[], locale: string): Node {
  const title = element('strong', deals.length === 1 ? 'A deal on your list' : `${deals.length} deals on your list`);
  const rows = deals.slice(0, 2).flatMap((deal) => {
    const shown = element('b', price(deal.best_price_in_cents, locale));
    shown.style.cssText = 'font-variant-numeric:tabular-nums;text-align:end';
    return [element('span', `${deal.item_name}, ${deal.store_name}`), shown];
  });
  const table = element('span');
  table.style.cssText = 'display:grid;grid-template-columns:minmax(0,1fr) auto;gap:2px 12px;margin-block-start:4px';
  table.append(...rows);
  const content = element('span');
  content.style.cssText = 'display:block;overflow-wrap:anywhere';
  content.append(title, table);
  if (deals.length > 2) content.append(element('span', `and ${deals.length - 2} more`));
  return content;
}

function element(name: string, text = ''): HTMLElement {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}
