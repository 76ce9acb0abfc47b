/** `<belfry-bell>`: how many are unread, and the inbox behind it. */

import type { Client } from '@belfry/client';
import { h, set } from './dom.js';
import { bell, icon, moon } from './icons.js';
import { withLater } from './later.js';
import { counted, localeOf } from './locale.js';
import type { Panel } from './panel.js';
import { untilWords } from './time.js';
import { BelfryView } from './view.js';
import { bellWords } from './words.js';

/** What does not fit into a badge. */
const BADGE_MAX = 99;

const styles = `
:host{display:inline-block;position:relative;vertical-align:middle}
[part=button]{position:relative;display:grid;place-items:center;inline-size:36px;block-size:36px;border-radius:9px;anchor-name:--belfry-bell}
[part=button]:hover,[aria-expanded=true]{background:color-mix(in srgb,currentColor 10%,transparent)}
[part=button] .icon{inline-size:20px;block-size:20px;stroke-width:1.3}
[part=badge]{position:absolute;inset-block-start:0;inset-inline-start:calc(50% + 1px);min-inline-size:17px;padding:0 4px;border-radius:99px;background:var(--belfry-badge,var(--_critical));color:light-dark(#fff,#14151a);font-size:11px;font-weight:600;line-height:17px;text-align:center;outline:1px solid #0000}
.bump{animation:bump .35s ease-out}
@keyframes bump{40%{scale:1.25}}
[part=crescent]{position:absolute;inset-block-end:3px;inset-inline-end:3px;padding:1px;border-radius:50%;background:var(--_surface);color:var(--_text)}
[part=crescent] .icon{inline-size:12px;block-size:12px;stroke-width:1.8}`;

/** The bell. */
export class BelfryBell extends BelfryView {
  static override readonly tag: string = 'belfry-bell';

  readonly #badge = h('span', { part: 'badge', dir: 'ltr', 'aria-hidden': 'true' });
  readonly #crescent = h('span', { part: 'crescent' }, icon(moon));
  readonly #button = h(
    'button',
    {
      part: 'button',
      'aria-haspopup': 'dialog',
      'aria-expanded': 'false',
      // The browser then knows whose popover it is: a click on the bell is none elsewhere.
      popovertarget: 'panel',
      click: (event: Event) => {
        event.preventDefault();
        // Who clicks again while it is loading wants it all the more.
        this.#use(this.#button.matches('[aria-expanded=false]'));
      },
      // Somebody is about to open it, perhaps for the first time.
      pointerenter: () => this.#use(),
      focus: () => this.#use(),
    },
    icon(bell),
    this.#crescent,
    this.#badge,
  );
  /** It comes with the inbox. */
  #panel: Panel | undefined;
  #unread = 0;

  constructor() {
    super(bellWords, styles);
  }

  /** Opens the inbox. */
  reveal(): void {
    if (this.#button.isConnected) this.#use(true);
  }

  /** Closes the inbox; the focus goes back to the bell. */
  hide(): void {
    this.#panel?.toggle(false);
  }

  /** Nothing opens without a connection, and the next try loads it. */
  #use(opens?: boolean): void {
    withLater(({ createPanel }) => {
      this.#panel ??= createPanel(this, this.root, this.#button, () => this.say('notifications'));
      if (opens !== undefined) this.#panel.toggle(opens);
    }).catch(() => {});
  }

  protected override start(client: Client, signal: AbortSignal): void {
    this.#unread = Number.POSITIVE_INFINITY;
    this.show(this.#button, ...(this.#panel ? [this.#panel.node] : []));
    this.follow(() => this.#draw(client), client.unread, client.doNotDisturb, client.connection, client.user);
    const reveal = (event: Event): void => {
      const theirs = (event.target as Partial<BelfryView>).client !== client;
      if (event.defaultPrevented || theirs || this.#button.hidden) return;
      event.preventDefault();
      this.reveal();
    };
    document.addEventListener('belfry-inbox', reveal, { signal });
    this.until(() => this.hide());
  }

  #draw(client: Client): void {
    const locale = localeOf(this);
    const n = client.unread.get();
    const { active, until } = client.doNotDisturb.get();
    const time = active && untilWords(until, client.now(), locale);
    const quiet =
      active &&
      list(this.say('doNotDisturb'), time && this.say('until').replace('{time}', time).toLocaleLowerCase(locale));
    set(this.#button, {
      'aria-label': list(this.say('notifications'), n > 0 && counted(this.say('unread'), n, locale), quiet),
      title: quiet,
      // Nobody is signed in: there is nothing to say.
      hidden: client.user.get() === null && client.connection.get().state === 'idle',
    });
    this.#crescent.hidden = !active;
    const badge = this.#badge;
    badge.textContent = Math.min(n, BADGE_MAX).toLocaleString(locale) + (n > BADGE_MAX ? '+' : '');
    badge.hidden = n === 0;
    badge.className = '';
    // Reading a measure makes the browser notice that the animation ended.
    if (n > this.#unread && badge.offsetWidth >= 0) badge.className = 'bump';
    this.#unread = n;
  }
}

function list(...words: readonly (string | false)[]): string {
  return words.filter(Boolean).join(', ');
}
