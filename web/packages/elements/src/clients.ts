/** Which client an element without one of its own belongs to. One table per page, as there is one registry of elements. */

import type { Client, Unsubscribe } from '@belfry/client';

const clients = new Map<string, Client>();
const listeners = new Set<() => void>();

/** Gives every element a client; with a name, those that say `client="name"`. `null` takes it away. */
export function setClient(client: Client | null, name = ''): void {
  if (client) clients.set(name, client);
  else clients.delete(name);
  for (const listener of [...listeners]) listener();
}

/** The client of this name, if there is one by now. */
export function findClient(name = ''): Client | null {
  return clients.get(name) ?? null;
}

/** Calls after each `setClient`. */
export function onClients(listener: () => void): Unsubscribe {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
