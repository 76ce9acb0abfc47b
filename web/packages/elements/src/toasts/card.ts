/** What one toast looks like. */

import { body, type Content, control, mark } from '../alert.js';
import { h } from '../dom.js';
import { close, icon } from '../icons.js';

/** Makes the card; `custom` stands in place of title and text. `use` hears of clicks. */
export function card(
  content: Content,
  custom: Node | null | undefined,
  say: (name: 'critical' | 'warning' | 'dismiss') => string,
  use: (event: MouseEvent, opens: boolean) => void,
): HTMLElement {
  const { title, link, severity } = content;
  const follow = (event: MouseEvent): void => use(event, true);
  const dismiss = (event: MouseEvent): void => use(event, false);
  const grave = severity !== 'info' && h('span', { class: 'sr' }, `${say(severity)}: `);
  const words = [control(link, { part: 'title', click: follow }, grave, title), body(content.body)];
  return h(
    'div',
    // No landmark: there may be many, and of one name.
    { role: 'group', part: `toast ${severity}`, 'data-severity': severity, 'aria-label': title },
    mark(content),
    h('div', { part: 'content' }, ...(custom ? [custom] : words)),
    h('button', { part: 'close', class: 'tool', 'aria-label': say('dismiss'), click: dismiss }, icon(close)),
  );
}
