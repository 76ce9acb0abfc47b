/** What stands in the toast of a deal alert: how many, and the best two prices with their stores. */

import type { DealInfo } from '../kinds.js';
import { pathOf, price } from './deals.js';
import { isPlain } from './route.js';

/** `open` is called for a plain click; with a modifier the browser opens the link itself. */
export function dealToast(deals: readonly DealInfo[], locale: string, open: (path: string) => void): Node {
  const title = document.createElement('a');
  title.textContent = deals.length === 1 ? 'A deal on your list' : `${deals.length} deals on your list`;
  title.href = pathOf(deals);
  title.style.cssText = 'color:inherit;font-weight:600';
  title.addEventListener('click', (event) => {
    if (!isPlain(event)) return;
    event.preventDefault();
    open(pathOf(deals));
  });
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
