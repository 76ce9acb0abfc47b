/**
 * Who of this tab shows an alert: a listener that asked to present its event, else the presenter registered last. One that
 * shows nothing passes it on.
 */

import type { Events } from './events.js';
import type { AnyAlert, Client, On, Unsubscribe } from './types.js';

type Present = Parameters<Client['onPresent']>[0];

interface Entry {
  readonly present: Present;
  /** Missing: it takes everything that no listener takes. */
  readonly takes: ((alert: AnyAlert) => boolean) | undefined;
}

export interface Presenters {
  add(present: Present, takes?: (alert: AnyAlert) => boolean): Unsubscribe;
  on: Client['on'];
}

/** A tab without any is not registered: it does not bid for alerts. */
export function createPresenters(register: Client['onPresent'], events: Events): Presenters {
  let entries: readonly Entry[] = [];
  let unregister: Unsubscribe | null = null;

  const present: Present = (presentation) => {
    const { alert } = presentation;
    const takers = alert ? entries.filter(({ takes }) => takes?.(alert)) : [];
    const others = entries.filter(({ takes }) => !takes);
    for (const { present: ask } of [...others, ...takers].reverse()) {
      const answer = ask(presentation);
      if (answer !== false) return answer;
    }
    return false;
  };

  const add: Presenters['add'] = (handler, takes) => {
    const entry: Entry = { present: handler, takes };
    entries = [...entries, entry];
    unregister ??= register(present);
    return () => {
      entries = entries.filter((other) => other !== entry);
      if (entries.length > 0) return;
      unregister?.();
      unregister = null;
    };
  };
  const on = (name: string, listener: (...args: never[]) => unknown, how: On = {}): Unsubscribe => {
    const { signal } = how;
    if (!how.present) return events.listen(name, listener, how);
    if (signal?.aborted) return () => {};
    const shows = listener as (...args: unknown[]) => unknown;
    const takes = (alert: AnyAlert): boolean => events.argumentsOf(name, alert) !== null;
    const stop = add(({ alert }) => {
      if (alert) shows(...(events.argumentsOf(name, alert) ?? []));
    }, takes);
    signal?.addEventListener('abort', stop, { once: true });
    return stop;
  };

  return { add, on: on as Client['on'] };
}
