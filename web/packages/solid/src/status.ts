/** Values of the client as signals. */

import type { Client, Connection, Readable } from '@belfry/client';
import { unheld } from '@belfry/client/bindings';
import { type Accessor, createEffect, createSignal, onCleanup, onMount, sharedConfig } from 'solid-js';
import { useBelfry, useProvided } from './provider.js';

/** A value, or a function that gives it and is followed. */
export type MaybeAccessor<T> = T | Accessor<T>;

/** The value of either. */
export function access<T>(value: MaybeAccessor<T>): T {
  return typeof value === 'function' ? (value as Accessor<T>)() : value;
}

/** Reads a value and follows it; `first` is what servers render and what hydration starts from. */
export function follow<T>(readable: Readable<T>, first: T): Accessor<T> {
  // Servers have a context, and so has hydration.
  const [value, setValue] = createSignal(sharedConfig.context ? first : readable.get());
  onMount(() => {
    setValue(() => readable.get());
    onCleanup(readable.subscribe((now) => setValue(() => now)));
  });
  return value;
}

/** Keeps the connection open while the owner lives and `on`. */
export function useHold(client: Client, on: MaybeAccessor<boolean>): void {
  createEffect(() => {
    if (access(on)) onCleanup(client.hold());
  });
}

/** How many alerts are unread: the server's number. */
export function useUnread(): Accessor<number> {
  const { client, initial } = useProvided();
  return follow(client.unread, initial?.unread ?? 0);
}

/** How the connection is. Looking does not connect: `useRealtimeAlerts`, `useWebSocket` and the components do. */
export function useConnection(): Accessor<Connection> {
  return follow(useBelfry().connection, unheld.connection);
}
