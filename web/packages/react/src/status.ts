/** Values of the client as React state. */

import type { Client, Connection, Readable } from '@belfry/client';
import { unheld } from '@belfry/client/bindings';
import { useCallback, useEffect, useSyncExternalStore } from 'react';
import { useBelfry, useProvided } from './provider.js';

/** Reads a value and follows it; `first` is what servers render and what hydration starts from. */
export function useReadable<T>(readable: Readable<T>, first: T): T {
  return useSyncExternalStore(
    useCallback((changed) => readable.subscribe(changed), [readable]),
    () => readable.get(),
    () => first,
  );
}

/** Keeps the connection open while this is mounted and `on`. */
export function useHold(client: Client, on: boolean): void {
  useEffect(() => (on ? client.hold() : undefined), [client, on]);
}

/** How many alerts are unread: the server's number. */
export function useUnread(): number {
  const { client, initial } = useProvided();
  return useReadable(client.unread, initial?.unread ?? 0);
}

/** How the connection is. Looking does not connect: `useRealtimeAlerts`, `useWebSocket` and the components do. */
export function useConnection(): Connection {
  return useReadable(useBelfry().connection, unheld.connection);
}
