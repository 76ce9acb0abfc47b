/** The primitive that applications built on plain `ws` already have. */

import type { BelfryError, Connection } from '@belfry/client';
import {
  clientOptions,
  configureBelfry,
  type SocketActions,
  socketActions,
  type UseWebSocketOptions,
} from '@belfry/client/bindings';
import { type Accessor, useContext } from 'solid-js';
import { BelfryContext, useBelfry } from './provider.js';
import { useConnection, useHold } from './status.js';

/** `connect` stays until `disconnect`; `send` answers `false` where it is not connected and the message is dropped. */
export interface WebSocketControls extends SocketActions {
  readonly isConnected: Accessor<boolean>;
  readonly isConnecting: Accessor<boolean>;
  readonly error: Accessor<BelfryError | null>;
  readonly connection: Accessor<Connection>;
}

/** Connects while the owner lives, and says how it is. Several of them share one connection. */
export function useWebSocket(options: UseWebSocketOptions = {}): WebSocketControls {
  if (!useContext(BelfryContext)) configureBelfry(clientOptions(options));
  const client = useBelfry();
  const connection = useConnection();
  useHold(client, options.autoConnect ?? true);
  return {
    isConnected: () => connection().isConnected,
    isConnecting: () => connection().isConnecting,
    error: () => connection().error,
    connection,
    ...socketActions(client),
  };
}
