import { For } from 'solid-js';
import { Avatar } from '~/components/Avatar';
import { Icon } from '~/components/icons';
import { people } from '~/family';

/** Anybody may see this page, so nothing on it connects. */
export default function SignIn() {
  return (
    <main class="sign-in">
      <div class="sign-in-brand">
        <Icon name="shield" />
        <span>Kordant</span>
      </div>
      <h1>Your family’s alerts, the moment they happen</h1>
      <p class="soft">
        Five services watch over four people. Sign in as one of them; open a second window for another. There are no
        passwords here.
      </p>
      <ul class="people">
        <For each={people}>
          {(person) => (
            <li>
              <form method="post" action="/api/session">
                <button type="submit" name="person" value={person.id} class="person">
                  <Avatar person={person} size="large" />
                  <span class="person-text">
                    <strong>{person.name}</strong>
                    <span class="soft">{person.role}</span>
                  </span>
                  <Icon name="arrow" />
                </button>
              </form>
            </li>
          )}
        </For>
      </ul>
    </main>
  );
}
