/** `<belfry-announcement>`: what concerns everyone, across the page, until this person has dismissed it on one device. */

import type { AnyAlert, Client, Presentation } from '@belfry/client';
import { h } from './dom.js';
import { BelfryElement } from './element.js';
import { close, icon, marks } from './icons.js';
import { control, open, quietly } from './opening.js';
import { announcementWords } from './words.js';

/** Older ones were overtaken. */
const NEWEST = 5;

const styles = `
:host{display:block}
[part~=announcement]{display:grid;grid-template-columns:auto minmax(0,1fr) auto;align-items:center;gap:10px;padding:8px max(12px,env(safe-area-inset-right)) 8px max(16px,env(safe-area-inset-left));background:color-mix(in srgb,var(--_tone) 10%,var(--_surface));color:var(--_text);border-block-end:1px solid color-mix(in srgb,var(--_tone) 24%,transparent)}
section>.icon{color:var(--_tone)}
[part=words]{overflow-wrap:anywhere}
[part=title]{font-weight:600;margin-inline-end:.5em}
a[part=title]{text-decoration:underline;text-underline-offset:3px}`;

/** The banner for `system-message`, or for the kinds of the attribute `kinds`. */
export class BelfryAnnouncement extends BelfryElement {
  static override readonly tag: string = 'belfry-announcement';
  static override readonly observedAttributes: readonly string[] = ['client', 'lang', 'kinds'];

  constructor() {
    super(announcementWords, styles);
  }

  protected override start(client: Client, signal: AbortSignal): void {
    const kinds = (this.getAttribute('kinds') ?? 'system-message').split(/\s+/);
    const list = client.list({ kinds, unread: true, limit: NEWEST });
    signal.addEventListener('abort', () => list.dispose(), { once: true });
    // The region is there before the words, or a screen reader misses them.
    const region = h('div', { role: 'status' });
    this.show(region);
    let shown: AnyAlert | undefined;
    this.follow(list.items, signal, (alerts) => {
      const alert = alerts.find(({ state, expiresAt }) => {
        const over = expiresAt !== null && Date.parse(expiresAt) <= Date.now();
        return !state.read && !state.archived && !over;
      });
      if (alert === shown) return;
      shown = alert;
      region.replaceChildren(...(alert ? [this.#draw(client, alert)] : []));
    });
    // The banner says it: a toast would say it twice.
    const present = (event: Event): void => {
      const { alert } = (event as CustomEvent<Presentation>).detail;
      const ours = (event.target as Partial<BelfryElement>).client === client;
      if (ours && alert && kinds.includes(alert.kind) && this.checkVisibility?.() !== false) event.preventDefault();
    };
    document.addEventListener('belfry-present', present, { signal });
  }

  #draw(client: Client, alert: AnyAlert): HTMLElement {
    const severity = severityOf(alert);
    const click = (event: MouseEvent): void =>
      open(event, this, client, { alert, url: alert.link }, () => client.open(alert));
    const title = alert.link
      ? control(alert.link, { part: 'title', dir: 'auto', click }, alert.title)
      : h('strong', { part: 'title', dir: 'auto' }, alert.title);
    return h(
      'section',
      {
        part: `announcement ${severity}`,
        'data-severity': severity,
        'aria-label': this.say('announcement'),
      },
      icon(marks[severity]),
      h('p', { part: 'words' }, title, alert.body && h('span', { part: 'body', dir: 'auto' }, alert.body.trim())),
      h(
        'button',
        {
          part: 'close',
          class: 'tool',
          'aria-label': this.say('dismiss'),
          // Read is read on every device; in the inbox it can still be found.
          click: () => quietly(client.markRead(alert)),
        },
        icon(close),
      ),
    );
  }
}

/** An announcement says in its data how grave it is; its kind is the same for all. */
function severityOf({ data, severity }: AnyAlert): AnyAlert['severity'] {
  const { severity: said } = data as { readonly [field: string]: unknown };
  if (said === 'error') return 'critical';
  return said === 'warning' || said === 'info' ? said : severity;
}
