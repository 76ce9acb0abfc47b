import { Bell, ConnectionIndicator, useBelfry } from '@belfry/solid';
import { A } from '@solidjs/router';
import type { JSX } from 'solid-js';
import type { Person } from '~/family';
import { Avatar } from './Avatar';
import { Icon } from './icons';
import { NavSwitches } from './NavSwitches';

/** Everything the person needs to know of their alerts, on every page. */
export function NavBar(props: { viewer: Person }): JSX.Element {
  const client = useBelfry();
  const signOut = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    await fetch('/api/session', { method: 'POST', body: new FormData() });
    // Tells every tab of this browser; the pages leave by themselves.
    await client.identify(null);
  };
  return (
    <header class="nav">
      <A class="brand" href="/dashboard">
        <Icon name="shield" />
        <span>Kordant</span>
      </A>
      <div class="nav-state">
        <ConnectionIndicator />
      </div>
      <div class="nav-tools">
        <NavSwitches />
        <Bell />
      </div>
      <form method="post" action="/api/session" class="nav-person" onSubmit={(event) => void signOut(event)}>
        <Avatar person={props.viewer} />
        <span class="nav-name">{props.viewer.name}</span>
        <button type="submit" class="quiet">
          Sign out
        </button>
      </form>
    </header>
  );
}
