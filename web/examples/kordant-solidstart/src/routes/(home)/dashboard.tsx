import { useBelfry, useRealtimeAlerts } from '@belfry/solid';
import { createAsync } from '@solidjs/router';
import { For, Show } from 'solid-js';
import { AlertRow } from '~/components/AlertRow';
import { Avatar } from '~/components/Avatar';
import { useAttempt } from '~/components/attempt';
import { createNow } from '~/components/clock';
import { ServiceCard } from '~/components/ServiceCard';
import { familyOf } from '~/family';
import { openHome } from '~/server/home';
import { services } from '~/services';

export default function Dashboard() {
  const home = createAsync(() => openHome());
  const client = useBelfry();
  const { alerts, unread, hasMore, loadMore, connection } = useRealtimeAlerts({ toast: false, limit: 20 });
  const now = createNow();
  const attempt = useAttempt();
  const readAll = (): void => {
    const newest = alerts()[0];
    if (newest !== undefined) attempt(client.markRead({ upTo: newest }));
  };
  return (
    <Show when={home()?.viewer}>
      {(viewer) => (
        <>
          <section class="hero">
            <div>
              <h1>Good to see you, {viewer().name}</h1>
              <p class="soft">
                <Show when={unread() > 0} fallback="Nothing needs your attention.">
                  {unread()} {unread() === 1 ? 'alert needs' : 'alerts need'} your attention.
                </Show>
              </p>
            </div>
            <ul class="family" aria-label="Your family">
              <For each={familyOf(viewer())}>
                {(person) => (
                  <li>
                    <Avatar person={person} />
                    <span>{person.name}</span>
                  </li>
                )}
              </For>
            </ul>
          </section>

          <section aria-labelledby="services">
            <h2 id="services">Services</h2>
            <ul class="cards">
              <For each={services}>
                {(service) => (
                  <ServiceCard
                    service={service}
                    family={familyOf(viewer())}
                    latest={alerts().find((alert) => alert.kind === service.kind)}
                  />
                )}
              </For>
            </ul>
          </section>

          <section aria-labelledby="recent">
            <div class="section-head">
              <h2 id="recent">Recent alerts</h2>
              <button type="button" class="quiet" disabled={unread() === 0} onClick={readAll}>
                Mark all as read
              </button>
            </div>
            <Show
              when={alerts().length > 0}
              fallback={
                <p class="empty">
                  {['retrying', 'offline', 'stopped'].includes(connection().state)
                    ? 'Your alerts appear here once the connection is back.'
                    : 'All quiet. Let a service find something.'}
                </p>
              }
            >
              <ul class="rows">
                <For each={alerts()}>{(alert) => <AlertRow alert={alert} now={now} />}</For>
              </ul>
            </Show>
            <Show when={hasMore()}>
              <button type="button" class="quiet more" onClick={() => attempt(loadMore())}>
                Show older alerts
              </button>
            </Show>
          </section>
        </>
      )}
    </Show>
  );
}
