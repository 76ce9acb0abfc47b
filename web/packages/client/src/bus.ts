/** For applications with an event bus: their own one hears of alerts, or this one, which is as small as can be. */

import { isAlert } from '@belfry/protocol';
import { eventOf } from './events.js';
import { emitter } from './readable.js';
import type { Client, ClientOptions, EventName, Events, On, Unsubscribe } from './types.js';

/** What a bus must be able to do: any that takes a name and its data will do. */
export interface Dispatcher {
  dispatch(event: string, data: unknown): void;
}

export interface BridgeOptions extends Pick<On, 'signal' | 'replay'>, Pick<ClientOptions, 'events'> {}

/** Dispatches every alert that comes live under its event's name, in every tab. */
export function bridge(client: Client, bus: Dispatcher, { events, ...on }: BridgeOptions = {}): Unsubscribe {
  return client.onMessage((message) => {
    if (isAlert(message)) bus.dispatch(eventOf(message.type, events), message.data);
  }, on);
}

/** A bus whose names and data are those of the declared events. */
export interface EventBus {
  dispatch<E extends EventName>(event: E, data: Events[E]): void;
  on<E extends EventName>(event: E, listener: (data: Events[E]) => void): Unsubscribe;
}

/** One that throws does not keep the others from hearing; `report` gets what it threw. */
export function createEventBus(
  report: (error: unknown) => void = (error) => globalThis.reportError?.(error),
): EventBus {
  const all = emitter<[event: string, data: unknown]>(report);
  return {
    dispatch: all.emit,
    on: (event, listener) =>
      all.add((name, data) => {
        if (name === event) listener(data as Parameters<typeof listener>[0]);
      }),
  };
}
