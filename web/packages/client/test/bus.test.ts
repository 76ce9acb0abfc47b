import { describe, expect, it } from 'vitest';
import { bridge, createEventBus } from '../src/bus.js';
import { Online } from './support/online.js';

describe('a bridge', () => {
  it('dispatches each live alert once under its event’s name, with its data alone', async () => {
    const net = new Online();
    net.model.publish({ kind: 'deal-notification' });
    const client = await net.live();
    const dispatched: unknown[] = [];
    const bus = { dispatch: (event: string, data: unknown) => dispatched.push([event, data]) };
    const stop = bridge(client, bus, { events: { special: 'shop:special' } });
    for (const kind of ['deal-notification', 'system-message', 'job-completed', 'other', 'special']) {
      await net.publish({ kind });
    }
    net.say(net.model.ping());
    await net.clock.settle();
    stop();
    await net.publish();
    expect(dispatched).toEqual([
      ['notification:deal', { n: 2 }],
      ['notification:system', { n: 3 }],
      ['notification:job', { n: 4 }],
      ['notification:other', { n: 5 }],
      ['shop:special', { n: 6 }],
    ]);
  });

  it('brings what was missed where that is wanted', async () => {
    const net = new Online();
    const client = await net.live();
    const bus = createEventBus();
    const heard: unknown[] = [];
    bus.on('notification:deal', (data) => heard.push(data));
    bridge(client, bus, { replay: 'catch-up', events: { deal: 'notification:deal' } });
    await net.drop();
    await net.publish();
    await net.clock.advance(1_000);
    await net.until(client, 'live');
    expect(heard).toEqual([{ n: 1 }]);
  });
});

describe('a bus', () => {
  it('calls who listens to the name, also after one of them threw', () => {
    const errors: unknown[] = [];
    const bus = createEventBus((error) => errors.push(error));
    const heard: unknown[] = [];
    bus.on('notification:deal', () => {
      throw new Error('mine');
    });
    const stop = bus.on('notification:deal', (data) => heard.push(data));
    bus.on('notification:other', () => heard.push('never'));
    bus.dispatch('notification:deal', { n: 1 });
    stop();
    bus.dispatch('notification:deal', { n: 2 });
    expect(heard).toEqual([{ n: 1 }]);
    expect(errors).toHaveLength(2);
  });
});
