/** What one toast looks like. */

import type { AnyAlert } from '@belfry/client';
import { h } from '../dom.js';
import { close, icon, marks } from '../icons.js';
import { type Action, control, href } from '../opening.js';

/** What a card shows, and what happens to it. */
export interface CardParts {
  readonly severity: 'info' | 'warning' | 'critical';
  readonly title: string;
  readonly body: string | null;
  readonly image: string | null;
  readonly link: string | null;
  readonly actions: AnyAlert['actions'];
  readonly severityWord: string | null;
  readonly dismissWord: string;
  /** Instead of title, body and actions. */
  readonly custom: Node | null;
  open(event: MouseEvent): void;
  act(event: MouseEvent, action: Action): void;
  dismiss(event: MouseEvent): void;
}

/** Makes the card. */
export function card(parts: CardParts): HTMLElement {
  const { severity, title } = parts;
  const image = href(parts.image);
  return h(
    'section',
    { part: `toast ${severity}`, 'data-severity': severity, 'aria-label': title },
    h('span', { part: 'mark' }, image ? h('img', { src: image, alt: '' }) : icon(marks[severity])),
    h('div', { part: 'content' }, ...(parts.custom ? [parts.custom] : words(parts))),
    h('button', { part: 'close', class: 'tool', 'aria-label': parts.dismissWord, click: parts.dismiss }, icon(close)),
  );
}

function words({ title, body, link, actions, severityWord, open, act }: CardParts): (Node | null)[] {
  return [
    control(
      link,
      { part: 'title', dir: 'auto', click: open },
      severityWord && h('span', { class: 'sr' }, `${severityWord}: `),
      title,
    ),
    body ? h('p', { part: 'body', dir: 'auto' }, body.trim()) : null,
    actions.length > 0
      ? h(
          'div',
          { part: 'actions' },
          ...actions.map((action) =>
            control(
              action.link,
              { part: 'action', class: 'action', click: (event: MouseEvent) => act(event, action) },
              action.label,
            ),
          ),
        )
      : null,
  ];
}
