/** `<belfry-bell>`: how many are unread, and the inbox behind it. */

import type { Client } from '@belfry/client';
import { focusIn, h, set } from './dom.js';
import { BelfryElement } from './element.js';
import { bell, icon, moon } from './icons.js';
import { defineLater } from './later.js';
import { untilWords } from './time.js';
import { bellWords } from './words.js';

/** What does not fit into a badge. */
const BADGE_MAX = 99;

const styles = `
:host{display:inline-block;position:relative;vertical-align:middle}
[part=button]{position:relative;display:grid;place-items:center;inline-size:36px;block-size:36px;border-radius:9px;anchor-name:--belfry-bell}
[part=button]:hover,[aria-expanded=true]{background:color-mix(in srgb,currentColor 10%,transparent)}
[part=button] .icon{inline-size:20px;block-size:20px;stroke-width:1.3}
[part=badge]{position:absolute;inset-block-start:0;inset-inline-start:calc(50% + 1px);min-inline-size:17px;padding:0 4px;border-radius:99px;background:var(--belfry-badge,var(--_critical));color:light-dark(#fff,#14151a);font-size:11px;font-weight:600;line-height:17px;text-align:center;font-variant-numeric:tabular-nums;outline:1px solid #0000}
.bump{animation:bump .35s ease-out}
@keyframes bump{40%{scale:1.25}}
[part=crescent]{position:absolute;inset-block-end:3px;inset-inline-end:3px;padding:1px;border-radius:50%;background:var(--_surface);color:var(--_text)}
[part=crescent] .icon{inline-size:12px;block-size:12px;stroke-width:1.8}
[part=panel]{position:fixed;z-index:var(--belfry-z,2147483000);flex-direction:column;inset:auto;inset-block-end:max(8px,env(safe-area-inset-bottom));inset-inline-end:8px;inline-size:min(420px,100vw - 32px);block-size:min(640px,85dvh);border:1px solid var(--_line);border-radius:calc(var(--_radius) + 2px);background:var(--_surface);color:var(--_text);box-shadow:var(--_shadow);overflow:hidden}
[part=panel]:focus-visible{outline:0}
:popover-open{display:flex}
@supports (position-area:block-end){@media (min-width:520px){[part=panel]{position-anchor:--belfry-bell;position-area:self-block-end span-self-inline-start;position-try:most-block-size flip-block;inset:auto;margin-block:8px;block-size:auto;max-block-size:min(640px,100% - 16px)}}}
[part=settings]{padding:4px 16px;border-block-start:1px solid var(--_line)}`;

/** The bell. */
export class BelfryBell extends BelfryElement {
  static override readonly tag: string = 'belfry-bell';

  readonly #badge = h('span', { part: 'badge', dir: 'ltr', 'aria-hidden': 'true' });
  readonly #crescent = h('span', { part: 'crescent' }, icon(moon));
  /** It closes by itself: at a click elsewhere, at Escape, at the gesture for back. */
  readonly #panel = h('div', {
    part: 'panel',
    id: 'panel',
    role: 'dialog',
    tabindex: -1,
    popover: 'auto',
    beforetoggle: ({ newState }: ToggleEvent) => this.#toggled(newState === 'open'),
    keydown: (event: KeyboardEvent) => {
      if (event.key !== 'Escape') return;
      // What lies around it stays open.
      event.preventDefault();
      this.hide();
    },
  });
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
        this.#toggle(!this.#open);
      },
      // Somebody is about to open it, perhaps for the first time.
      pointerenter: load,
      focus: load,
    },
    icon(bell),
    this.#crescent,
    this.#badge,
  );
  #open = false;
  #unread = 0;

  constructor() {
    super(bellWords, styles);
  }

  /** Opens the inbox. */
  reveal(): void {
    if (this.#panel.isConnected) this.#toggle(true);
  }

  /** Closes the inbox; the focus goes back to the bell. */
  hide(): void {
    this.#toggle(false);
  }

  /** A DOM for tests that knows no popovers has a panel as well. */
  #toggle(opens: boolean): void {
    const panel = this.#panel;
    if (opens) panel.showPopover?.();
    else panel.hidePopover?.();
    this.#toggled(opens);
    if (opens) panel.focus();
  }

  protected override start(client: Client, signal: AbortSignal): void {
    this.#unread = Number.POSITIVE_INFINITY;
    set(this.#panel, { 'aria-label': this.say('notifications') });
    this.show(this.#button, this.#panel);
    this.follow(() => this.#draw(client), client.unread, client.doNotDisturb, client.connection, client.user);
    const reveal = (event: Event): void => {
      const theirs = (event.target as Partial<BelfryElement>).client !== client;
      if (event.defaultPrevented || theirs || this.#button.hidden) return;
      event.preventDefault();
      this.reveal();
    };
    document.addEventListener('belfry-inbox', reveal, { signal });
    this.until(() => this.hide());
  }

  #draw(client: Client): void {
    const { locale } = this;
    const n = client.unread.get();
    const { active, until } = client.doNotDisturb.get();
    const time = active && untilWords(until, client.now(), locale);
    const quiet =
      active && list(this.say('doNotDisturb'), time && this.say('until', { time }).toLocaleLowerCase(locale));
    set(this.#button, {
      'aria-label': list(this.say('notifications'), n > 0 && this.say('unread', { n }), quiet),
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

  #toggled(opens: boolean): void {
    if (opens === this.#open) return;
    this.#open = opens;
    load();
    // Browsers give the focus back to what had it, but do not look into shadow roots for that.
    if (!opens && this.#panel.contains(focusIn(this.root))) this.#button.focus({ preventScroll: true });
    set(this.#button, { 'aria-expanded': `${opens}` });
    const { client } = this;
    const own = (node: HTMLElement): HTMLElement => Object.assign(node, { client });
    this.#panel.replaceChildren(
      ...(opens
        ? [
            own(h('belfry-inbox', { part: 'inbox' })),
            h('div', { part: 'settings' }, own(h('belfry-do-not-disturb')), own(h('belfry-sound'))),
          ]
        : []),
    );
  }
}

function list(...words: readonly (string | false)[]): string {
  return words.filter(Boolean).join(', ');
}

/** Without a connection the panel stays empty, and the next try loads it. */
function load(): void {
  defineLater().catch(() => {});
}
