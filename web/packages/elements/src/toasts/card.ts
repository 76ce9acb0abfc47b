/** What one toast looks like. */

import type { AnyAlert } from '@belfry/client';
import { h } from '../dom.js';
import { close, icon, marks } from '../icons.js';
import { type Action, control, href } from '../opening.js';

/** What a card shows: an alert, or a title alone. */
export type Content = Pick<AnyAlert, 'title'> & Partial<AnyAlert>;

/** What the toaster adds to it. */
export interface CardHost {
  /** Instead of title, body and actions. */
  readonly custom: Node | null | undefined;
  readonly severityWord: string | false;
  readonly dismissWord: string;
  follow(event: MouseEvent, action?: Action): void;
  dismiss(event: MouseEvent): void;
}

/** Makes the card. */
export function card(content: Content, severity: AnyAlert['severity'], host: CardHost): HTMLElement {
  const image = href(content.image);
  return h(
    'div',
    // No landmark: there may be many, and of one name.
    { role: 'group', part: `toast ${severity}`, 'data-severity': severity, 'aria-label': content.title },
    h('span', { part: 'mark' }, image ? h('img', { src: image, alt: '' }) : icon(marks[severity])),
    h('div', { part: 'content' }, ...(host.custom ? [host.custom] : words(content, host))),
    h('button', { part: 'close', class: 'tool', 'aria-label': host.dismissWord, click: host.dismiss }, icon(close)),
  );
}

/** Another title on the same card. */
export function rename(node: HTMLElement, title: string): void {
  node.ariaLabel = title;
  const text = node.querySelector('[part=title]')?.lastChild;
  if (text) text.textContent = title;
}

function words({ title, body, link, actions = [] }: Content, { severityWord, follow }: CardHost): (Node | false)[] {
  const part = (name: string, action?: Action) => ({
    part: name,
    class: name,
    dir: 'auto',
    click: (event: MouseEvent) => follow(event, action),
  });
  return [
    control(link, part('title'), severityWord && h('span', { class: 'sr' }, `${severityWord}: `), title),
    !!body && h('p', { part: 'body', dir: 'auto' }, body.trim()),
    actions.length > 0 &&
      h(
        'div',
        { part: 'actions' },
        ...actions.map((action) => control(action.link, part('action', action), action.label)),
      ),
  ];
}
