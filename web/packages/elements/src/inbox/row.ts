/** One alert in the inbox. */

import type { AnyAlert } from '@belfry/client';
import { h, set } from '../dom.js';
import { archive, icon, marks, read as readIcon, unread as unreadIcon } from '../icons.js';
import { type Action, control, href } from '../opening.js';
import type { Word } from '../strings.js';
import { age } from '../time.js';

/** What a row needs of its inbox. */
export interface RowHost {
  readonly locale: string;
  /** Nothing can be changed now; this is why. */
  readonly frozen: string | null;
  say(name: Word): string;
  open(event: MouseEvent, alert: AnyAlert): void;
  act(event: MouseEvent, alert: AnyAlert, action: Action): void;
  toggleRead(alert: AnyAlert): void;
  archive(alert: AnyAlert): void;
}

/** Makes the row. */
export function row(alert: AnyAlert, host: RowHost): HTMLLIElement {
  const { severity, state, title, body } = alert;
  const { read } = state;
  const said = [severity !== 'info' && host.say(severity), !read && host.say('unreadMark')].filter(Boolean).join(', ');
  const image = href(alert.image);
  return h(
    'li',
    {
      part: `row ${severity} ${read ? 'read' : 'unread'}`,
      'data-id': alert.id,
      'data-severity': severity,
      'data-thread': alert.thread,
    },
    h('span', { part: 'mark' }, image ? h('img', { src: image, alt: '', loading: 'lazy' }) : icon(marks[severity])),
    h(
      'div',
      { part: 'content' },
      control(
        alert.link,
        { part: 'title', dir: 'auto', click: (event: MouseEvent) => host.open(event, alert) },
        title,
        said && h('span', { class: 'sr' }, `, ${said}`),
      ),
      body && h('p', { part: 'body', dir: 'auto' }, body.trim().replaceAll('\n', ' · ')),
      facts(alert),
      alert.actions.length > 0 &&
        h('div', { part: 'actions' }, ...alert.actions.map((one) => action(alert, one, host))),
    ),
    h('div', { part: 'when' }, time(alert, host.locale)),
    h(
      'div',
      { part: 'tools' },
      tool(alert, host, read ? unreadIcon : readIcon, read ? 'markUnread' : 'markRead', () => host.toggleRead(alert)),
      tool(alert, host, archive, 'archive', () => host.archive(alert)),
    ),
  );
}

/** Moves the row's time on. */
export function tell(node: Element, alert: AnyAlert, locale: string): void {
  const at = node.querySelector('time');
  const words = age(Date.parse(alert.createdAt), Date.now(), locale);
  if (at && at.textContent !== words) at.textContent = words;
}

function time({ createdAt }: AnyAlert, locale: string): HTMLElement {
  const at = Date.parse(createdAt);
  const title = new Date(at).toLocaleString(locale, { dateStyle: 'medium', timeStyle: 'short' });
  return h('time', { datetime: createdAt, title }, age(at, Date.now(), locale));
}

/** Whom it concerns, and who found it, where the alert's data say so. */
function facts(alert: AnyAlert): HTMLElement | null {
  const { subject, service } = alert.data as { readonly [field: string]: unknown };
  const known = typeof subject === 'string' || typeof service === 'string';
  return known
    ? h(
        'div',
        { part: 'facts' },
        typeof subject === 'string' && h('span', { part: 'subject', dir: 'auto' }, subject),
        typeof service === 'string' && h('span', { part: 'service', dir: 'auto' }, service),
      )
    : null;
}

function action(alert: AnyAlert, one: Action, host: RowHost): HTMLElement {
  const click = (event: MouseEvent): void => {
    if (host.frozen) event.preventDefault();
    else host.act(event, alert, one);
  };
  return control(one.link, { part: 'action', class: 'action', click, ...freeze(host.frozen) }, one.label);
}

/** Named with its alert, for those who walk from button to button. */
function tool(alert: AnyAlert, host: RowHost, lines: string, word: Word, act: () => void): HTMLElement {
  const words = host.say(word);
  const button = h(
    'button',
    {
      part: `tool-${word}`,
      class: 'tool',
      title: words,
      'aria-label': `${words}: ${alert.title}`,
      click: () => host.frozen ?? act(),
    },
    icon(lines),
  );
  set(button, freeze(host.frozen));
  return button;
}

/** It stays in the order of focus, and says why it does nothing. */
function freeze(reason: string | null): { readonly [name: string]: unknown } {
  return reason ? { 'aria-disabled': 'true', title: reason } : {};
}
