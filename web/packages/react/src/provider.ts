/** Which client a part of the page talks to. */

import { type Client, type ClientOptions, createClient, type Snapshot } from '@belfry/client';
import { defaultClient } from '@belfry/client/bindings';
import {
  type Context,
  createContext,
  createElement,
  type ReactNode,
  useContext,
  useEffect,
  useMemo,
  useState,
} from 'react';

export interface BelfryProviderProps {
  /** A client of your own; missing: the provider makes one. */
  client?: Client | undefined;
  /** For the client that the provider makes; read once. */
  options?: ClientOptions | undefined;
  /** Who is signed in; `null`: nobody. Changing it switches the client; missing: the server says (cookie). */
  user?: string | null | undefined;
  /** What the server rendered, from `publisher.snapshot(userId)`: the first paint has the real unread number. */
  initial?: Snapshot | undefined;
  children?: ReactNode;
}

interface Provided {
  readonly client: Client;
  readonly initial?: Snapshot | undefined;
}

/** Missing above: the default client counts. */
export const BelfryContext: Context<Provided | null> = createContext<Provided | null>(null);

/** Gives its children one client. */
export function BelfryProvider(props: BelfryProviderProps): ReactNode {
  const { client: given, options, user, initial, children } = props;
  // Making a client has no side effect, so a render that is thrown away costs nothing and there is nothing to dispose.
  const [own] = useState(() => given ?? createClient({ ...options, ...(user !== undefined && { user }), initial }));
  const client = given ?? own;
  const [first] = useState(initial);
  const provided = useMemo(() => ({ client, initial: first }), [client, first]);

  useEffect(() => {
    // The same person again changes nothing.
    if (user !== undefined) void client.identify(user);
  }, [client, user]);

  return createElement(BelfryContext.Provider, { value: provided }, children);
}

/** The client of the nearest provider; without one the default client: this origin, signed in by cookie. */
export function useBelfry(): Client {
  return useProvided().client;
}

/** The client together with what the server rendered. */
export function useProvided(): Provided {
  return useContext(BelfryContext) ?? { client: defaultClient() };
}
