import { useBelfry, useRealtimeAlerts } from '@belfry/solid';
import { A, useNavigate, useParams } from '@solidjs/router';
import { createEffect, createMemo, For, type JSX, Show } from 'solid-js';
import { ago } from '~/components/AlertRow';
import { Avatar } from '~/components/Avatar';
import { useAttempt } from '~/components/attempt';
import { createNow } from '~/components/clock';
import { Icon } from '~/components/icons';
import { personOf } from '~/family';
import { serviceOf } from '~/services';

/** Where an alert's link leads, from a toast, a row, a mail, or a push. */
export default function AlertPage() {
  const params = useParams();
  const client = useBelfry();
  const navigate = useNavigate();
  const now = createNow();
  const attempt = useAttempt();
  const { alerts } = useRealtimeAlerts({ toast: false });
  const alert = createMemo(() => alerts().find((one) => one.id === params['id']));
  createEffect(() => {
    const shown = alert();
    if (shown !== undefined && !shown.state.read) attempt(client.markRead(shown));
  });
  const archive = async (): Promise<void> => {
    const shown = alert();
    if (shown !== undefined) await client.archive(shown);
    navigate('/dashboard');
  };
  return (
    <article class="detail">
      <A class="back" href="/dashboard">
        <Icon name="back" /> Dashboard
      </A>
      <Show when={alert()} fallback={<p class="empty">This alert is not in your inbox any more.</p>}>
        {(it) => (
          <>
            <header class="detail-head">
              <span class={`badge-icon big ${serviceOf(it().kind)?.name}`}>
                <Icon name={serviceOf(it().kind)?.name ?? 'shield'} />
              </span>
              <div>
                <p class="soft">
                  {serviceOf(it().kind)?.name} · <time dateTime={it().createdAt}>{ago(it().createdAt, now())}</time>
                </p>
                <h1 dir="auto">{it().title}</h1>
                <p dir="auto">{it().body}</p>
              </div>
            </header>
            <Show when={personOf(it().data.subject_id)}>
              {(person) => (
                <p class="whose">
                  <Avatar person={person()} /> It is about {person().name}’s account.
                </p>
              )}
            </Show>
            <Facts data={it().data} />
            <button type="button" class="quiet" onClick={() => attempt(archive())}>
              Done, archive it
            </button>
          </>
        )}
      </Show>
    </article>
  );
}

/** What stands elsewhere on the page, or is for programs. */
const hidden = new Set(['subject', 'subject_id', 'service', 'severity', 'detected_at']);

function Facts(props: { data: object }): JSX.Element {
  const facts = () => Object.entries(props.data).filter(([name, value]) => !hidden.has(name) && value !== null);
  return (
    <dl class="facts">
      <For each={facts()}>
        {([name, value]) => (
          <div>
            <dt>{name.replaceAll('_', ' ')}</dt>
            <dd dir="auto">{textOf(value)}</dd>
          </div>
        )}
      </For>
    </dl>
  );
}

function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.map((one) => String(one).replaceAll('_', ' ')).join(', ');
  if (typeof value === 'number' && value > 0 && value < 1) return `${Math.round(value * 100)} %`;
  return String(value).replaceAll('_', ' ');
}
