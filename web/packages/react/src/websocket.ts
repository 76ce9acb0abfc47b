/** The hook that applications built on plain `ws` already have. */

import type { Connection } from '@belfry/client';
import {
  clientOptions,
  configureBelfry,
  type SocketActions,
  socketActions,
  type UseWebSocketOptions,
} from '@belfry/client/bindings';
import { useContext, useMemo, useState } from 'react';
import { BelfryContext, useBelfry } from './provider.js';
import { useConnection, useHold } from './status.js';

/** `connect` stays until `disconnect`; `send` answers `false` where it is not connected and the message is dropped. */
export interface WebSocketControls extends Connection, SocketActions {
  /** All of it as one value, which changes only when something about it does. */
  readonly connection: Connection;
}

/** Connects while mounted, and says how it is. Several of them share one connection. */
export function useWebSocket(options: UseWebSocketOptions = {}): WebSocketControls {
  const provided = useContext(BelfryContext);
  // Once per mount, and before the default client is first used.
  useState(() => provided ?? configureBelfry(clientOptions(options)));
  const client = useBelfry();
  const connection = useConnection();
  useHold(client, options.autoConnect ?? true);
  const actions = useMemo(() => socketActions(client), [client]);
  return { ...connection, connection, ...actions };
}
