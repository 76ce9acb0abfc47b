/** Who is signed in, and the client that goes with them. */

import type { ClientOptions } from '@belfry/client';
import { BelfryProvider } from '@belfry/react';
import { createContext, type ReactNode, useContext, useEffect, useState } from 'react';
import { api, type Person } from './api.js';
import { go } from './route.js';

interface Session {
  /** `undefined`: not known yet. */
  readonly person: Person | null | undefined;
  signIn(user: string): Promise<void>;
  signOut(): Promise<void>;
}

const SessionContext = createContext<Session | null>(null);

// The cookie is the shop's: it is renewed before it runs out, and links are followed by the shop's router.
const options: ClientOptions = {
  refresh: () =>
    api.renew().then(
      () => true,
      () => false,
    ),
  navigate: go,
};

/** Alerts are this person's as soon as they are known, and nobody's after they signed out. */
export function SessionProvider({ children }: { readonly children: ReactNode }): ReactNode {
  const [person, setPerson] = useState<Person | null | undefined>(undefined);
  useEffect(() => {
    api.session().then(setPerson, () => setPerson(null));
  }, []);
  const session: Session = {
    person,
    signIn: async (user) => setPerson(await api.signIn(user)),
    signOut: async () => {
      await api.signOut();
      setPerson(null);
      go('/');
    },
  };
  return (
    <SessionContext value={session}>
      <BelfryProvider options={options} user={person?.id ?? null}>
        {children}
      </BelfryProvider>
    </SessionContext>
  );
}

export function useSession(): Session {
  const session = useContext(SessionContext);
  if (session === null) throw new Error('There is no SessionProvider above.');
  return session;
}

/** For what is shown to people who are signed in only. */
export function usePerson(): Person {
  const { person } = useSession();
  if (!person) throw new Error('Nobody is signed in.');
  return person;
}
