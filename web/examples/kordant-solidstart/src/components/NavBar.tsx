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
      {/* Every tab of this browser signs out with it. */}
      <form method="post" action="/api/session" class="nav-person" onSubmit={() => void client.identify(null)}>
        <Avatar person={props.viewer} />
        <span class="nav-name">{props.viewer.name}</span>
        <button type="submit" class="quiet">
          Sign out
        </button>
      </form>
    </header>
  );
}
