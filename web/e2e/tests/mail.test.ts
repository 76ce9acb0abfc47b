/** Whoever has no page open gets the deals by e-mail: the example shop, a real server, a relay that keeps what it takes. */

import { beforeAll, expect, test } from 'vitest';
import { Chromium } from '../support/browsers.js';
import { buildFlyerDeals, FlyerDeals, toasts } from '../support/flyer-deals.js';
import { Relay } from '../support/smtp.js';
import { becomes, until } from '../support/wait.js';

beforeAll(buildFlyerDeals, 240_000);

test('F10 who is away gets one mail with all the deals, who saw them gets none', async () => {
  await using relay = await Relay.start();
  await using shop = await FlyerDeals.startMailing(relay, '3s');
  await using browser = await Chromium.open();
  const ann = await browser.tab();
  await shop.signIn(ann, 'Ann', '/office');
  await shop.live(ann);
  await shop.nextFlyer(ann);
  await until('a toast of Ann', async () => (await toasts(ann)).length === 1);

  // Cleo has no page open, nor has Bob: each gets the own deals, in the own language.
  await until('a mail to Cleo', () => relay.to('cleo@example.com').length > 0, 30_000);
  await until('a mail to Bob', () => relay.to('bob@example.com').length > 0, 30_000);
  const [mail] = relay.to('cleo@example.com');
  expect(mail?.headers.get('from')).toBe('"Flyer deals" <deals@shop.example>');
  expect(mail?.headers.get('subject')).toContain('Avocados');
  expect(mail?.text).toMatch(/Avocados, 4 pieces: \d+\.\d\d at /);
  expect(mail?.text).not.toContain('Oat milk');
  expect(relay.to('bob@example.com')[0]?.headers.get('content-language')).toBe('de-DE');

  // Ann's tab has shown hers, so there is nothing to mail. Away for the next ones, she gets those, and only those.
  expect(relay.to('ann@example.com')).toEqual([]);
  const [item] = (await shop.belfry.inbox('ann')).items;
  expect((await shop.belfry.trace(item?.id ?? '')).levels.map(({ level }) => level)).toContain('displayed');
  await ann.goto('about:blank');
  await becomes('nobody is there', () => shop.belfry.connections('ann'), 0);
  const cookie = `accessToken=${shop.belfry.token('cleo')}`;
  expect((await fetch(`${shop.url}/api/office/next-flyer`, { method: 'POST', headers: { cookie } })).status).toBe(200);
  await until('a mail to Ann', () => relay.to('ann@example.com').length > 0, 30_000);
  const texts = relay.to('ann@example.com').map(({ text }) => text);
  expect(texts).toHaveLength(1);
  expect(texts[0]).toContain('Coffee beans, 1 kg: 9.49 at Harbour Foods');
  expect(texts[0]).toContain('Rye bread: 1.89 at Harbour Foods');
  expect(texts[0]).not.toContain('Oat milk');
});
