/** Clients that know nothing of Belfry but `{type, data, timestamp}`. */

import { describe, expect, test } from 'vitest';
import { BOTH, openBrowser } from '../support/browsers.js';
import { stage } from '../support/stage.js';

const deal = {
  kind: 'deal-notification',
  title: 'A deal',
  data: { deals: [], user_id: 'ann', message: '1 deal on your list' },
};

describe.each(BOTH)('%s', (name) => {
  test('F1 F2 a hand-built page gets its deal by the cookie, in three fields', async () => {
    await using set = await stage();
    await using browser = await openBrowser(name);
    const [ann, bob] = [await browser.tab(set.page('ann', '/plain')), await browser.tab()];
    await ann.until('ann is connected', () =>
      window.plain.frames.some(({ type }) => type === 'connection-established'),
    );
    await bob.goto(set.page('bob', '/plain'));
    await bob.until('bob is connected', () =>
      window.plain.frames.some(({ type }) => type === 'connection-established'),
    );

    await set.belfry.publish('ann', deal);

    const frame = await ann.until('the deal', () =>
      window.plain.frames.find(({ type }) => type === 'deal-notification'),
    );
    expect(frame.data).toEqual(deal.data);
    expect(new Date(frame.timestamp).toISOString().slice(0, 19)).toBe(frame.timestamp.slice(0, 19));
    await set.belfry.publish('bob', { title: 'Last', kind: 'last' });
    await bob.until("bob's own alert", () => window.plain.frames.some(({ type }) => type === 'last'));
    expect(await bob.evaluate(() => window.plain.frames.map(({ type }) => type))).not.toContain('deal-notification');
  });
});
