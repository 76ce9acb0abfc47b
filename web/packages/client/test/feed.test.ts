import type { InboxPage } from '@belfry/protocol';
import { expect, it } from 'vitest';
import { createFakeClock } from '../../testing/src/fake-clock.js';
import { createEvents } from '../src/events.js';
import { createFeed } from '../src/feed.js';
import type { Call } from '../src/rest.js';
import { openValues } from '../src/values.js';
import { ModelServer } from './support/model-server.js';

/** The feed of a tab whose pages come when the test says so. */
function tab() {
  const server = new ModelServer();
  server.publish();
  const clock = createFakeClock();
  const state = { leads: false };
  const sent: string[] = [];
  const told: string[] = [];
  const pages: ((page: InboxPage) => void)[] = [];
  const report = (error: unknown) => {
    throw error;
  };
  const values = openValues({}, report);
  const events = createEvents(undefined, values.alerts.items.get, report);
  events.listen('deal', (...[alert]: { title: string }[]) => told.push(String(alert?.title)));
  const feed = createFeed(
    {
      clock,
      call: (() => new Promise<InboxPage>((resolve) => pages.push(resolve))) as Call,
      report,
      leads: () => state.leads,
      isConnected: () => true,
      ready: () => true,
      events: () => events,
      attention: () => ({
        arrived: (alerts, how) => void (how !== 'live' && told.push(...alerts.map(({ title }) => `${how}: ${title}`))),
        changed() {},
        doNotDisturbChanged() {},
      }),
      send: (type) => sent.push(type),
      life() {},
      keep() {},
    },
    values,
  );
  const pageComes = async (): Promise<void> => {
    pages.shift()?.(server.inbox());
    await clock.settle();
  };
  return { server, state, sent, told, feed, pageComes };
}

it('a page that comes to a follower says where it stands', async () => {
  const { server, feed, pageComes } = tab();
  void feed.start();
  server.publish();
  await pageComes();
  expect(feed.cursor()).toBe(server.cursor());
});

it('a page that comes after the tab came to lead does not move it: the frames between come, and are told', async () => {
  const { server, state, sent, told, feed, pageComes } = tab();
  const before = server.cursor();
  void feed.start();
  feed.startAt({ epoch: server.epoch, user: 1, all: 0 }, 0);
  state.leads = true;
  feed.apply(server.established());
  expect(sent).toEqual(['resume']);
  server.resume(before, 500);
  for (let frame = server.next(); frame; frame = server.next()) feed.apply(frame);
  server.publish({ title: 'on its way' });
  await pageComes();
  expect(feed.cursor()).toBe(before);
  for (let frame = server.next(); frame; frame = server.next()) feed.apply(frame);
  expect(feed.cursor()).toBe(server.cursor());
  expect(told).toEqual(['on its way']);
});

it('what came since the connection opened is told as missed, once, although the first page has it', async () => {
  const { server, state, sent, told, feed, pageComes } = tab();
  state.leads = true;
  const opened = server.cursor();
  feed.apply(server.established());
  server.publish({ title: 'meanwhile' });
  await pageComes();
  expect(feed.cursor()).toBe(opened);
  expect(sent).toEqual(['resume']);
  expect(told).toEqual(['page: id-000001']);
  server.resume(opened, 500);
  for (let frame = server.next(); frame; frame = server.next()) feed.apply(frame);
  expect(told).toEqual(['page: id-000001', 'catch-up: meanwhile']);
  expect(feed.cursor()).toBe(server.cursor());
});
