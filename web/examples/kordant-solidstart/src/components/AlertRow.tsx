import type { AnyAlert } from '@belfry/client';
import { useBelfry } from '@belfry/solid';
import { type Accessor, type JSX, Show } from 'solid-js';
import { personOf } from '~/family';
import { serviceOf } from '~/services';
import { Avatar } from './Avatar';
import { useAttempt } from './attempt';
import { Icon } from './icons';

const severities = { info: 'Info', warning: 'Warning', critical: 'Critical' } as const;

/** One alert: which service, whose account, how bad, how long ago. */
export function AlertRow(props: { alert: AnyAlert; now: Accessor<number> }): JSX.Element {
  const client = useBelfry();
  const attempt = useAttempt();
  const service = () => serviceOf(props.alert.kind);
  const subject = () => personOf(props.alert.data.subject_id);
  const open = (event: MouseEvent): void => {
    // A new tab, if that is what the person asked for.
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    client.open(props.alert);
  };
  return (
    <li class="row" classList={{ unread: !props.alert.state.read }}>
      <span class={`badge-icon ${service()?.name}`}>
        <Icon name={service()?.name ?? 'shield'} />
      </span>
      <a class="row-main" href={props.alert.link ?? '/dashboard'} onClick={open}>
        <span class="row-head">
          <strong dir="auto">{props.alert.title}</strong>
          <Show when={!props.alert.state.read}>
            <span class="dot" role="img" aria-label="Unread" />
          </Show>
        </span>
        <span class="row-body" dir="auto">
          {props.alert.body}
        </span>
        <span class="row-facts">
          <Show when={subject()}>
            {(person) => (
              <span class="whose">
                <Avatar person={person()} size="small" />
                {person().name}’s account
              </span>
            )}
          </Show>
          <span class={`severity ${props.alert.severity}`}>{severities[props.alert.severity]}</span>
          <time dateTime={props.alert.createdAt}>{ago(props.alert.createdAt, props.now())}</time>
        </span>
      </a>
      <button
        type="button"
        class="bare"
        aria-label={`Archive: ${props.alert.title}`}
        onClick={() => attempt(client.archive(props.alert))}
      >
        <Icon name="archive" />
      </button>
    </li>
  );
}

/** How long ago, in the largest unit that says something. */
export function ago(time: string, now: number): string {
  const seconds = Math.max(0, Math.round((now - Date.parse(time)) / 1_000));
  if (seconds < 45) return 'just now';
  const format = new Intl.RelativeTimeFormat('en', { numeric: 'auto', style: 'short' });
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return format.format(-minutes, 'minute');
  const hours = Math.round(minutes / 60);
  return hours < 24 ? format.format(-hours, 'hour') : format.format(-Math.round(hours / 24), 'day');
}
