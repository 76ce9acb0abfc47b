/** Who of this tab shows an alert: a listener that asked to present its event, else the presenter registered last. */

import type { AnyAlert, Client, Unsubscribe } from './types.js';

type Present = Parameters<Client['onPresent']>[0];

interface Entry {
  readonly present: Present;
  /** Missing: it takes everything that no listener takes. */
  readonly takes: ((alert: AnyAlert) => boolean) | undefined;
}

export interface Presenters {
  add(present: Present, takes?: (alert: AnyAlert) => boolean): Unsubscribe;
}

/** A tab without any is not registered: it does not bid for alerts. */
export function createPresenters(register: Client['onPresent']): Presenters {
  let entries: readonly Entry[] = [];
  let unregister: Unsubscribe | null = null;

  const present: Present = (presentation) => {
    const { alert } = presentation;
    const takers = alert ? entries.filter(({ takes }) => takes?.(alert)) : [];
    const chosen = takers.at(-1) ?? entries.filter(({ takes }) => !takes).at(-1);
    return chosen ? chosen.present(presentation) : false;
  };

  return {
    add(handler, takes) {
      const entry: Entry = { present: handler, takes };
      entries = [...entries, entry];
      unregister ??= register(present);
      return () => {
        entries = entries.filter((other) => other !== entry);
        if (entries.length > 0) return;
        unregister?.();
        unregister = null;
      };
    },
  };
}
