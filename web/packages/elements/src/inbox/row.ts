/** One alert in the inbox. */

import type { AnyAlert } from '@belfry/client';
import { type Action, actions } from '../actions.js';
import { body, control, mark } from '../alert.js';
import { type Child, h, type Props } from '../dom.js';
import { icon } from '../icons.js';
import type { Word } from '../strings.js';
import { archive, read as readIcon, unread as unreadIcon } from './icons.js';
import { age } from './time.js';

/** What a row needs of its inbox. */
export interface RowHost {
  readonly locale: string;
  /** Nothing can be changed now; this is why. */
  readonly frozen: string | null;
  say(name: Word): string;
  open(event: MouseEvent, alert: AnyAlert, action?: Action): void;
  toggleRead(alert: AnyAlert): void;
  archive(alert: AnyAlert): void;
}

/** Makes the row. */
export function row(alert: AnyAlert, host: RowHost): HTMLLIElement {
  const { severity, title, createdAt } = alert;
  const { read } = alert.state;
  const said = [severity !== 'info' && host.say(severity), !read && host.say('unreadMark')].filter(Boolean).join(', ');
  const open = (event: MouseEvent): void => host.open(event, alert);
  const act = (event: MouseEvent, action: Action): void =>
    host.frozen ? event.preventDefault() : host.open(event, alert, action);
  return h(
    'li',
    {
      part: `row ${severity} ${read ? 'read' : 'unread'}`,
      'data-id': alert.id,
      'data-severity': severity,
      'data-thread': alert.thread,
    },
    mark(alert),
    h(
      'div',
      { part: 'content' },
      control(alert.link, { part: 'title', click: open }, title, said && h('span', { class: 'sr' }, `, ${said}`)),
      body(alert.body?.trim().replaceAll('\n', ' · ')),
      facts(alert),
      actions(alert, act, freeze(host.frozen)),
    ),
    h('div', { part: 'when' }, h('time', { datetime: createdAt, title: moment(createdAt, host.locale) })),
    h(
      'div',
      { part: 'tools' },
      read
        ? tool(alert, host, unreadIcon, 'markUnread', () => host.toggleRead(alert))
        : tool(alert, host, readIcon, 'markRead', () => host.toggleRead(alert)),
      tool(alert, host, archive, 'archive', () => host.archive(alert)),
    ),
  );
}

/** Moves the row's time on. */
export function tell(node: Element, alert: AnyAlert, now: number, locale: string): void {
  const at = node.querySelector('time');
  const words = age(Date.parse(alert.createdAt), now, locale);
  if (at && at.textContent !== words) at.textContent = words;
}

function moment(createdAt: string, locale: string): string {
  return new Date(createdAt).toLocaleString(locale, { dateStyle: 'medium', timeStyle: 'short' });
}

/** Whom it concerns, and who found it, where the alert's data say so. */
function facts({ data }: AnyAlert): Child {
  const fields = data as { readonly [field: string]: unknown };
  const known = ['subject', 'service'].flatMap((part) => {
    const text = fields[part];
    return typeof text === 'string' ? [h('span', { part, dir: 'auto' }, text)] : [];
  });
  return known.length > 0 && h('div', { part: 'facts' }, ...known);
}

/** Named with its alert, for those who walk from button to button. */
function tool({ title }: AnyAlert, { frozen, say }: RowHost, lines: string, word: Word, act: () => void): HTMLElement {
  const words = say(word);
  return h(
    'button',
    {
      part: `tool-${word}`,
      class: 'tool',
      title: words,
      'aria-label': `${words}: ${title}`,
      click: () => frozen ?? act(),
      ...freeze(frozen),
    },
    icon(lines),
  );
}

/** It stays in the order of focus, and says why it does nothing. */
function freeze(reason: string | null): Props {
  return reason ? { 'aria-disabled': 'true', title: reason } : {};
}
