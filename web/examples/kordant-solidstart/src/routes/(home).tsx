import { BelfryProvider, useBelfry, useRealtimeAlerts } from '@belfry/solid';
import { createAsync, type RouteSectionProps, useNavigate } from '@solidjs/router';
import { type JSX, onCleanup, onMount, Show } from 'solid-js';
import { NavBar } from '~/components/NavBar';
import { presentIn } from '~/components/present';
import { ToastProvider, useToast } from '~/components/toasts';
import type { Person } from '~/family';
import { openHome } from '~/server/home';

/** Behind the sign-in: the one place that connects. */
export default function HomeLayout(props: RouteSectionProps) {
  const home = createAsync(() => openHome());
  const navigate = useNavigate();
  const options = {
    navigate: (url: string) => navigate(url),
    refresh: async () => (await fetch('/api/session', { method: 'PUT' })).ok,
  };
  return (
    <Show when={home()}>
      {(it) => (
        <BelfryProvider options={options} user={it().viewer.id} initial={it().initial}>
          <ToastProvider>
            <Shell viewer={it().viewer}>{props.children}</Shell>
          </ToastProvider>
        </BelfryProvider>
      )}
    </Show>
  );
}

/** Connects while it is on the page, and shows each new alert in the application's own toaster. */
function Shell(props: { viewer: Person; children: JSX.Element }): JSX.Element {
  useRealtimeAlerts({ toast: presentIn(useToast()) });
  const client = useBelfry();
  onMount(() => {
    // Signed out here or in another tab: nothing of this person stays on the screen.
    const leave = (user: string | null): void => {
      if (user === null) window.location.assign('/');
    };
    onCleanup(client.user.subscribe(leave));
  });
  return (
    <>
      <NavBar viewer={props.viewer} />
      <main class="page">{props.children}</main>
    </>
  );
}
