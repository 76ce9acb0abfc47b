/** Toasts for pages that placed none. The elements are loaded when the first is wanted. */

import type { Client, Release } from '@belfry/client';

type Toaster = HTMLElement & {
  client?: Client | null;
  /** How many want it; missing on an element that the page placed itself. */
  wantedBy?: number;
};

/** Shows this client's alerts while held. All that want it share one element; one that the page placed stands in for it. */
export function builtInToasts(client: Client): Release {
  let release: Release | null = null;
  let wanted = true;
  void Promise.all([import('./element.js'), import('./toasts/toasts.js')]).then(([{ define }, { BelfryToasts }]) => {
    define(BelfryToasts);
    if (wanted) release = share(client);
  });
  return () => {
    wanted = false;
    release?.();
    release = null;
  };
}

function share(client: Client): Release {
  const placed = [...document.querySelectorAll<Toaster>('belfry-toasts')].find((toaster) => toaster.client === client);
  if (placed !== undefined && placed.wantedBy === undefined) return () => {};
  const toaster = placed ?? append(client);
  toaster.wantedBy = (toaster.wantedBy ?? 0) + 1;
  return () => {
    toaster.wantedBy = (toaster.wantedBy ?? 0) - 1;
    if (toaster.wantedBy === 0) toaster.remove();
  };
}

function append(client: Client): Toaster {
  const toaster: Toaster = document.createElement('belfry-toasts');
  toaster.client = client;
  document.body.append(toaster);
  return toaster;
}
