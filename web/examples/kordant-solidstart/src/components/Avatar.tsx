import type { JSX } from 'solid-js';
import type { Person } from '~/family';

/** A person's initial. Their name stands beside it, so it says nothing by itself. */
export function Avatar(props: { person: Person; size?: 'small' | 'large' }): JSX.Element {
  return (
    <span
      class="avatar"
      classList={{ [props.size ?? '']: props.size !== undefined }}
      style={{ '--hue': props.person.hue }}
      aria-hidden="true"
    >
      {props.person.name.charAt(0)}
    </span>
  );
}
