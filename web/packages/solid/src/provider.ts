/** Which client a part of the page talks to. */

import { type Client, type ClientOptions, createClient, type Snapshot } from '@belfry/client';
import { defaultClient } from '@belfry/client/bindings';
import { type Context, createComponent, createContext, createEffect, type JSX, useContext } from 'solid-js';

export interface BelfryProviderProps {
  /** A client of your own; missing: the provider makes one. Read once. */
  client?: Client | undefined;
  /** For the client that the provider makes; read once. */
  options?: ClientOptions | undefined;
  /** Who is signed in; `null`: nobody. Changing it switches the client; missing: the server says (cookie). */
  user?: string | null | undefined;
  /** What the server rendered, from `publisher.snapshot(userId)`: the first paint has the real unread number. */
  initial?: Snapshot | undefined;
  children?: JSX.Element;
}

interface Provided {
  readonly client: Client;
  readonly initial?: Snapshot | undefined;
}

/** Missing above: the default client counts. */
export const BelfryContext: Context<Provided | undefined> = createContext<Provided>();

/** Gives its children one client. */
export function BelfryProvider(props: BelfryProviderProps): JSX.Element {
  const { client: given, options, user, initial } = props;
  // Making a client has no side effect, so there is nothing to dispose: the holds of its children are all it has.
  const client = given ?? createClient({ ...options, ...(user !== undefined && { user }), initial });
  createEffect(() => {
    // The same person again changes nothing.
    if (props.user !== undefined) void client.identify(props.user);
  });
  return createComponent(BelfryContext.Provider, {
    value: { client, initial },
    get children() {
      return props.children;
    },
  });
}

/** The client of the nearest provider; without one the default client: this origin, signed in by cookie. */
export function useBelfry(): Client {
  return useProvided().client;
}

/** The client together with what the server rendered. */
export function useProvided(): Provided {
  return useContext(BelfryContext) ?? { client: defaultClient() };
}
