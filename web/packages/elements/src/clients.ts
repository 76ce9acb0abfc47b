/** Which client an element without one of its own belongs to. One table per page, as there is one registry of elements. */

import type { Client } from '@belfry/client';
import { changed } from './changes.js';

const clients = new Map<string, Client>();

/** Gives every element a client; with a name, those that say `client="name"`. `null` takes it away. */
export function setClient(client: Client | null, name = ''): void {
  if (client) clients.set(name, client);
  else clients.delete(name);
  changed();
}

/** The client of this name, if there is one by now. */
export function findClient(name?: string | null): Client | null {
  return clients.get(name ?? '') ?? null;
}
