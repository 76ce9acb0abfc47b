/** The primitive that applications built on plain `ws` already have. */

import type { BelfryError, Connection } from '@belfry/client';
import { clientOptions, configureBelfry, type UseWebSocketOptions } from '@belfry/client/compat';
import type { Accessor } from 'solid-js';
import { isProvided, useBelfry } from './provider.js';
import { useConnection, useHold } from './status.js';

export interface WebSocketControls {
  readonly isConnected: Accessor<boolean>;
  readonly isConnecting: Accessor<boolean>;
  readonly error: Accessor<BelfryError | null>;
  readonly connection: Accessor<Connection>;
  /** Connects, and stays until `disconnect()`. */
  connect(): void;
  disconnect(): void;
  /** `false`: not connected, dropped. */
  send(type: string, data: unknown): boolean;
}

/** Connects while the owner lives, and says how it is. Several of them share one connection. */
export function useWebSocket(options: UseWebSocketOptions = {}): WebSocketControls {
  if (!isProvided()) configureBelfry(clientOptions(options));
  const client = useBelfry();
  const connection = useConnection();
  useHold(client, options.autoConnect ?? true);
  return {
    isConnected: () => connection().isConnected,
    isConnecting: () => connection().isConnecting,
    error: () => connection().error,
    connection,
    connect: () => client.connect(),
    disconnect: () => client.disconnect(),
    send: (type, data) => client.send(type, data),
  };
}
