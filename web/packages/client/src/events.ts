/** Who hears what: frames as they came, alerts by their kind, and the event bus's names. */

import type { Item, ServerMessage } from '@belfry/protocol';
import type { Arrival } from './attention/attention.js';
import type { AnyAlert, On, Unsubscribe, WebSocketMessage } from './types.js';

/** Names on the bus that do not follow from the kind's. */
const FIXED: Readonly<Record<string, string>> = {
  'deal-notification': 'notification:deal',
  'system-message': 'notification:system',
  'job-completed': 'notification:job',
};

/** The bus's name for a kind: the application's own, else one that is as old as their code, else `notification:<kind>`. */
export const eventOf = (kind: string, named: Readonly<Record<string, string>> = {}): string =>
  named[kind] ?? FIXED[kind] ?? `notification:${kind}`;

type Listener = (...args: never[]) => void;

export interface Events {
  listen(name: string, listener: Listener, options?: On): Unsubscribe;
  onMessage(listener: (message: WebSocketMessage) => void, options?: On): Unsubscribe;
  frame(message: ServerMessage): void;
  alerts(alerts: readonly AnyAlert[], how: Arrival): void;
  /** What a listener of this name gets of an alert; `null`: it is not its. */
  argumentsOf(name: string, alert: AnyAlert): readonly unknown[] | null;
}

interface Entry {
  readonly listener: Listener;
  readonly replay: On['replay'];
}

const hears = ({ replay }: Entry, how: Arrival): boolean =>
  how === 'live' || replay === 'all' || (how === 'catch-up' && replay === 'catch-up');

/** `named`: the application's own names, by kind. `known`: what is there already, for those that want all of it. */
export function createEvents(
  named: Readonly<Record<string, string>> | undefined,
  known: () => readonly AnyAlert[],
  report: (error: unknown) => void,
): Events {
  const byName = new Map<string, Set<Entry>>();

  const call = (entry: Entry, ...args: unknown[]) => {
    try {
      (entry.listener as (...args: unknown[]) => void)(...args);
    } catch (error) {
      report(error);
    }
  };
  const entries = (name: string): Entry[] => [...(byName.get(name) ?? [])];
  const tell = (entry: Entry, name: string, alert: AnyAlert) => {
    if (name === MESSAGES) call(entry, asMessage(alert));
    else {
      const args = argumentsOf(name, alert);
      if (args) call(entry, ...args);
    }
  };
  const argumentsOf: Events['argumentsOf'] = (name, alert) =>
    name === alert.kind ? [alert] : name === eventOf(alert.kind, named) ? [alert.data, alert] : null;

  const listen: Events['listen'] = (name, listener, { signal, replay } = {}) => {
    const entry = { listener, replay };
    const stop = () => {
      byName.get(name)?.delete(entry);
      signal?.removeEventListener('abort', stop);
    };
    if (signal?.aborted) return stop;
    signal?.addEventListener('abort', stop);
    const set = byName.get(name) ?? new Set();
    byName.set(name, set.add(entry));
    if (replay === 'all') {
      // After the caller has what `listen` gives back.
      queueMicrotask(() => {
        for (const alert of [...known()].reverse()) if (set.has(entry)) tell(entry, name, alert);
      });
    }
    return stop;
  };

  return {
    listen,
    argumentsOf,
    onMessage: (listener, options) => listen(MESSAGES, listener as Listener, options),
    frame(message) {
      for (const entry of entries(MESSAGES)) call(entry, message);
    },
    alerts(alerts, how) {
      for (const alert of alerts) {
        const { kind } = alert;
        for (const name of new Set([kind, eventOf(kind, named)])) {
          for (const entry of entries(name)) if (hears(entry, how)) tell(entry, name, alert);
        }
        // A live one has been heard as its frame.
        if (how === 'live') continue;
        for (const entry of entries(MESSAGES)) if (hears(entry, how)) tell(entry, MESSAGES, alert);
      }
    },
  };
}

/** No kind has this name. */
const MESSAGES = '';

/** An alert as the frame it would have been. */
const asMessage = (alert: AnyAlert): Pick<Item, 'type' | 'timestamp'> & Record<string, unknown> => ({
  ...alert,
  type: alert.kind,
  timestamp: alert.createdAt,
});
