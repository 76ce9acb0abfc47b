/** `<belfry-announcement>`: what concerns everyone, across the page, until this person has dismissed it on one device. */

import type { AnyAlert, Client, Presentation } from '@belfry/client';
import { control } from './alert.js';
import { h } from './dom.js';
import { close, icon, marks } from './icons.js';
import { announcementWords } from './later-words.js';
import { open, quietly } from './opening.js';
import { BelfryView } from './view.js';

/** Older ones were overtaken. */
const NEWEST = 5;

const styles = `
:host{display:block}
section{display:grid;grid-template-columns:auto minmax(0,1fr) auto;align-items:center;gap:10px;padding:8px max(12px,env(safe-area-inset-right)) 8px max(16px,env(safe-area-inset-left));background:color-mix(in srgb,var(--_tone) 10%,var(--_surface));color:var(--_text);border-block-end:1px solid color-mix(in srgb,var(--_tone) 24%,transparent)}
section>.icon{color:var(--_tone)}
[part=words]{overflow-wrap:anywhere}
[part=title]{font-weight:600}
[part=body]{margin-inline:.5em}
a{text-decoration:underline;text-underline-offset:3px}`;

/** The banner for `system-message`, or for the kinds of the attribute `kinds`. */
export class BelfryAnnouncement extends BelfryView {
  static override readonly tag: string = 'belfry-announcement';
  static override readonly observedAttributes: readonly string[] = ['client', 'lang', 'kinds'];

  constructor() {
    super(announcementWords, styles);
  }

  protected override start(client: Client, signal: AbortSignal): void {
    const kinds = (this.getAttribute('kinds') ?? 'system-message').split(/\s+/);
    const list = client.list({ kinds, unread: true, limit: NEWEST });
    this.until(() => list.dispose());
    // The region is there before the words, or a screen reader misses them.
    const region = h('div', { role: 'status' });
    this.show(region);
    let shown: AnyAlert | undefined;
    this.follow(() => {
      const now = client.now();
      const alert = list.items.get().find(({ state, expiresAt }) => {
        const over = expiresAt && Date.parse(expiresAt) <= now;
        return !state.read && !state.archived && !over;
      });
      if (alert === shown) return;
      shown = alert;
      region.replaceChildren(...(alert ? [this.#draw(client, alert)] : []));
    }, list.items);
    // The banner says it: a toast would say it twice.
    const present = (event: Event): void => {
      const { alert } = (event as CustomEvent<Presentation>).detail;
      const ours = (event.target as Partial<BelfryView>).client === client;
      if (ours && alert && kinds.includes(alert.kind) && this.checkVisibility?.() !== false) event.preventDefault();
    };
    document.addEventListener('belfry-present', present, { signal });
  }

  #draw(client: Client, alert: AnyAlert): HTMLElement {
    const { title, link } = alert;
    const severity = severityOf(alert);
    const click = (event: MouseEvent): void => quietly(open(event, this, client, alert));
    // Read is read on every device; in the inbox it can still be found.
    const dismiss = (): void => quietly(client.markRead(alert));
    const part = { part: 'title', dir: 'auto' };
    return h(
      'section',
      { part: `announcement ${severity}`, 'data-severity': severity, 'aria-label': this.say('announcement') },
      icon(marks[severity]),
      h(
        'p',
        { part: 'words' },
        link ? control(link, { ...part, click }, title) : h('strong', part, title),
        alert.body && h('span', { part: 'body', dir: 'auto' }, alert.body.trim()),
      ),
      h('button', { part: 'close', class: 'tool', 'aria-label': this.say('dismiss'), click: dismiss }, icon(close)),
    );
  }
}

/** An announcement says in its data how grave it is; its kind is the same for all. */
function severityOf({ data, severity }: AnyAlert): AnyAlert['severity'] {
  const { severity: said } = data as { readonly [field: string]: unknown };
  if (said === 'error') return 'critical';
  return said === 'warning' || said === 'info' ? said : severity;
}
