import { type ReactNode, useEffect, useState } from 'react';
import { api, type Person } from './api.js';
import { useSession } from './session.js';

export function SignIn(): ReactNode {
  const { signIn } = useSession();
  const [people, setPeople] = useState<readonly Pick<Person, 'id' | 'name'>[]>([]);
  useEffect(() => {
    api.people().then(setPeople, () => {});
  }, []);
  return (
    <main className="sign-in">
      <h1>Flyer deals</h1>
      <p>Who is shopping? Open a second browser as somebody else: each gets their own alerts, and nobody another’s.</p>
      <div className="row">
        {people.map(({ id, name }) => (
          <button key={id} type="button" onClick={() => signIn(id)}>
            {name}
          </button>
        ))}
      </div>
    </main>
  );
}
