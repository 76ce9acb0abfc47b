import { expect, test } from 'vitest';
import { dealsFor, type Flyer, parseWatchList } from '../server/flyers.js';
import { pathOf, summary } from '../src/deals.js';

const flyer = (store_id: number, items: Record<string, number>): Flyer => ({
  id: `flyer-${store_id}`,
  store_id,
  store_name: `Store ${store_id}`,
  items: Object.entries(items).map(([item_name, price_in_cents]) => ({ item_name, price_in_cents })),
});

test('a deal is the best price of an item, where it is no higher than wanted', () => {
  const flyers = [flyer(1, { 'Oat milk': 149, Tofu: 250 }), flyer(2, { 'oat  milk': 129 })];
  const watched = [
    { item_name: 'Oat milk', at_most_in_cents: 129 },
    { item_name: 'Tofu', at_most_in_cents: 249 },
    { item_name: 'Salmon', at_most_in_cents: 900 },
  ];
  expect(dealsFor(watched, flyers)).toEqual([
    { item_name: 'oat  milk', best_price_in_cents: 129, store_name: 'Store 2', store_id: 2 },
  ]);
});

test('the best saving comes first', () => {
  const watched = [
    { item_name: 'Tofu', at_most_in_cents: 200 },
    { item_name: 'Rye bread', at_most_in_cents: 300 },
  ];
  const deals = dealsFor(watched, [flyer(1, { Tofu: 190, 'Rye bread': 150 })]);
  expect(deals.map(({ item_name }) => item_name)).toEqual(['Rye bread', 'Tofu']);
});

test('a pasted list is read line by line, and what is no item comes back', () => {
  expect(parseWatchList('Oat milk 1.50\n\nTofu, 400 g: 2\nSalmon; 5,99\njust words\n')).toEqual({
    items: [
      { item_name: 'Oat milk', at_most_in_cents: 150 },
      { item_name: 'Tofu, 400 g', at_most_in_cents: 200 },
      { item_name: 'Salmon', at_most_in_cents: 599 },
    ],
    refused: ['just words'],
  });
});

test('a single deal leads to itself, and a summary names the best two in the person’s own way', () => {
  const deal = (item_name: string, cents: number) => ({
    item_name,
    best_price_in_cents: cents,
    store_name: 'Corner Market',
    store_id: 12,
  });
  const deals = [deal('Oat milk', 129), deal('Tofu', 189), deal('Salmon', 599)];
  expect(pathOf(deals.slice(0, 1))).toBe('/deals/Oat%20milk');
  expect(pathOf(deals)).toBe('/deals');
  expect(summary(deals, 'en-IE')).toBe('Oat milk €1.29 at Corner Market, Tofu €1.89 at Corner Market, and 1 more');
  expect(summary(deals.slice(0, 1), 'de-DE')).toContain('1,29\u00a0€');
});
