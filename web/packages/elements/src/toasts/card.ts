/** What one toast looks like. */

import { type Action, actions, body, type Content, control, mark } from '../alert.js';
import { type Child, h } from '../dom.js';
import { close, icon } from '../icons.js';

/** What the toaster adds to it. */
export interface CardHost {
  /** Instead of title, body and actions. */
  readonly custom: Node | null | undefined;
  say(name: 'critical' | 'warning' | 'dismiss'): string;
  follow(event: MouseEvent, action?: Action): void;
  dismiss(event: UIEvent): void;
}

/** Makes the card. */
export function card(content: Content, { custom, say, follow, dismiss }: CardHost): HTMLElement {
  const { title, link, severity } = content;
  const words = (): readonly Child[] => [
    control(
      link,
      { part: 'title', click: (event: MouseEvent) => follow(event) },
      severity !== 'info' && h('span', { class: 'sr' }, `${say(severity)}: `),
      title,
    ),
    body(content.body),
    actions(content, follow),
  ];
  const keydown = (event: KeyboardEvent): void => {
    if (event.key !== 'Escape') return;
    // A dialog around it stays open.
    event.preventDefault();
    event.stopPropagation();
    dismiss(event);
  };
  return h(
    'div',
    // No landmark: there may be many, and of one name.
    { role: 'group', part: `toast ${severity}`, 'data-severity': severity, 'aria-label': title, keydown },
    mark(content),
    h('div', { part: 'content' }, ...(custom ? [custom] : words())),
    h('button', { part: 'close', class: 'tool', 'aria-label': say('dismiss'), click: dismiss }, icon(close)),
  );
}

/** Another title on the same card. */
export function rename(node: HTMLElement, title: string): void {
  node.ariaLabel = title;
  node.querySelector('[part=title]')?.lastChild?.replaceWith(title);
}
