/** The hook that applications built on plain `ws` already have. */

import type { BelfryError, Client, Connection } from '@belfry/client';
import { clientOptions, configureBelfry, type UseWebSocketOptions } from '@belfry/client/compat';
import { useMemo, useState } from 'react';
import { useBelfry, useIsProvided } from './provider.js';
import { useConnection, useHold } from './status.js';

export interface WebSocketControls {
  readonly isConnected: boolean;
  readonly isConnecting: boolean;
  readonly error: BelfryError | null;
  readonly connection: Connection;
  /** Connects, and stays until `disconnect()`. */
  connect(): void;
  disconnect(): void;
  /** `false`: not connected, dropped. */
  send(type: string, data: unknown): boolean;
}

/** Connects while mounted, and says how it is. Several of them share one connection. */
export function useWebSocket(options: UseWebSocketOptions = {}): WebSocketControls {
  useDefaults(options);
  const client = useBelfry();
  const connection = useConnection();
  useHold(client, options.autoConnect ?? true);
  const actions = useMemo(() => actionsOf(client), [client]);
  const { isConnected, isConnecting, error } = connection;
  return { isConnected, isConnecting, error, connection, ...actions };
}

function actionsOf(client: Client): Pick<WebSocketControls, 'connect' | 'disconnect' | 'send'> {
  return {
    connect: () => client.connect(),
    disconnect: () => client.disconnect(),
    send: (type, data) => client.send(type, data),
  };
}

/** Once per mount, and before the default client is first used. */
function useDefaults(options: UseWebSocketOptions): void {
  const provided = useIsProvided();
  useState(() => provided || configureBelfry(clientOptions(options)));
}
