import type { AnyAlert } from '@belfry/client';
import { createSignal, For, type JSX, Show } from 'solid-js';
import type { Person } from '~/family';
import type { AnyService } from '~/services';
import { Icon } from './icons';
import { useToast } from './toasts';

/** One service: what it watches, what it found last, and a button that lets it find something now. */
export function ServiceCard(props: {
  service: AnyService;
  family: readonly Person[];
  latest: AnyAlert | undefined;
}): JSX.Element {
  const toaster = useToast();
  const [busy, setBusy] = createSignal(false);
  const find = async (event: SubmitEvent & { currentTarget: HTMLFormElement }): Promise<void> => {
    event.preventDefault();
    const subject = new FormData(event.currentTarget).get('subject');
    setBusy(true);
    const answer = await fetch('/api/findings', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ service: props.service.name, subject }),
    }).catch(() => null);
    setBusy(false);
    if (answer?.ok !== true) toaster.show({ title: `${props.service.name} could not tell anybody`, tone: 'warning' });
  };
  return (
    <li class="card">
      <div class="card-head">
        <span class={`badge-icon ${props.service.name}`}>
          <Icon name={props.service.name} />
        </span>
        <div>
          <h3>{props.service.name}</h3>
          <p class="soft">{props.service.watches}</p>
        </div>
      </div>
      <p class="card-latest" classList={{ soft: props.latest === undefined }}>
        <Show when={props.latest} fallback="Nothing found yet">
          {(alert) => <span dir="auto">{alert().title}</span>}
        </Show>
      </p>
      <form class="card-form" onSubmit={(event) => void find(event)}>
        <select name="subject" aria-label={`Whose account ${props.service.name} looks at`}>
          <For each={props.family}>{(person) => <option value={person.id}>{person.name}</option>}</For>
        </select>
        <button type="submit" disabled={busy()}>
          Find something
        </button>
      </form>
      <p class="card-tells soft">
        {props.service.tells === 'family' ? 'Tells the whole family' : 'Tells that person alone'}
      </p>
    </li>
  );
}
