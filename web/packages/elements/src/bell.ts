/** `<belfry-bell>`: how many are unread, and the inbox behind it. */

import type { Client } from '@belfry/client';
import { BelfryDoNotDisturb, untilWords } from './do-not-disturb.js';
import { h, set } from './dom.js';
import { BelfryElement, type ElementClass } from './element.js';
import { bell, icon, moon } from './icons.js';
import { BelfryInbox } from './inbox/inbox.js';
import { BelfrySound } from './sound.js';
import { bellWords } from './words.js';

/** What does not fit into a badge. */
const BADGE_MAX = 99;
const GAP = 8;
const WIDTH = 420;

/** Parts of the inbox that can be styled through the bell. */
const INBOX_PARTS =
  'head,heading,count,filters,filter,mark-all,note,scroll,day,row,unread,mark,title,body,facts,subject,service,when,tools,actions,action,more,empty,error';

const styles = `
:host{display:inline-block;position:relative;vertical-align:middle}
[part=button]{position:relative;display:grid;place-items:center;inline-size:36px;block-size:36px;border-radius:9px}
[part=button]:hover,[part=button][aria-expanded=true]{background:color-mix(in srgb,currentColor 9%,transparent)}
[part=button] .icon{inline-size:20px;block-size:20px;stroke-width:1.3}
[part=badge]{position:absolute;inset-block-start:0;inset-inline-start:calc(50% + 1px);min-inline-size:17px;padding:0 4px;border-radius:99px;background:var(--belfry-badge,var(--_critical));color:light-dark(#fff,#14151a);font-size:11px;font-weight:600;line-height:17px;text-align:center;font-variant-numeric:tabular-nums}
[part=badge].bump{animation:bump .35s ease-out}
@keyframes bump{40%{scale:1.25}}
[part=crescent]{position:absolute;inset-block-end:3px;inset-inline-end:3px;padding:1px;border-radius:50%;background:var(--_surface);color:var(--_text)}
[part=crescent] .icon{inline-size:12px;block-size:12px;stroke-width:1.8}
[part=panel]{position:fixed;z-index:var(--belfry-z,2147483000);flex-direction:column;inset:auto 8px 8px;inline-size:auto;block-size:min(640px,85dvh);max-block-size:none;margin:0;padding:0;border:1px solid var(--_line);border-radius:calc(var(--_radius) + 2px);background:var(--_surface);color:var(--_text);box-shadow:var(--_shadow);overflow:hidden}
[part=panel]:focus-visible{outline:0}
[part=panel].open{display:flex}
[part=panel]:not(.open){display:none}
@media (min-width:520px){[part=panel]{inset:var(--_top) auto auto var(--_left);inline-size:${WIDTH}px;max-inline-size:calc(100vw - 16px);block-size:auto;max-block-size:min(640px,var(--_room))}}
belfry-inbox{flex:1;border:0;border-radius:0}
[part=settings]{padding:4px 16px;border-block-start:1px solid var(--_line)}
@media (forced-colors:active){[part=badge]{border:1px solid}}`;

/** The bell. */
export class BelfryBell extends BelfryElement {
  static override readonly tag: string = 'belfry-bell';
  static readonly uses: readonly ElementClass[] = [BelfryInbox, BelfryDoNotDisturb, BelfrySound];

  readonly #badge = h('span', { part: 'badge', 'aria-hidden': 'true' });
  readonly #crescent = h('span', { part: 'crescent' }, icon(moon));
  readonly #panel = h('div', { part: 'panel', id: 'panel', role: 'dialog', tabindex: -1 });
  readonly #button = h(
    'button',
    { part: 'button', type: 'button', 'aria-haspopup': 'dialog', 'aria-expanded': 'false', 'aria-controls': 'panel' },
    icon(bell),
    this.#crescent,
    this.#badge,
  );
  #client: Client | null = null;
  /** For the time it is on the page: a window that changes its size moves the panel. */
  #open: AbortController | null = null;
  #unread = 0;

  constructor() {
    super(bellWords, styles);
    const panel = this.#panel;
    panel.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || event.defaultPrevented) return;
      event.preventDefault();
      event.stopPropagation();
      this.hide();
    });
    if ('popover' in panel) {
      set(panel, { popover: 'auto' });
      // The browser then knows whose popover it is, and the click that closes it does not open it again.
      this.#button.popoverTargetElement = panel;
      panel.addEventListener('beforetoggle', (event) => this.#toggled((event as ToggleEvent).newState === 'open'));
      panel.addEventListener('toggle', (event) => (event as ToggleEvent).newState === 'open' && panel.focus());
    } else this.#button.addEventListener('click', () => (this.#open ? this.hide() : this.reveal()));
  }

  /** Opens the inbox. */
  reveal(): void {
    if (this.#open || !this.#client) return;
    if ('popover' in this.#panel && this.#panel.popover) this.#panel.showPopover();
    else {
      this.#toggled(true);
      this.#panel.focus();
    }
  }

  /** Closes the inbox; the focus goes back to the bell. */
  hide(): void {
    if (!this.#open) return;
    if ('popover' in this.#panel && this.#panel.popover) this.#panel.hidePopover();
    else this.#toggled(false);
    this.#button.focus({ preventScroll: true });
  }

  protected override start(client: Client, signal: AbortSignal): void {
    this.#client = client;
    this.#unread = Number.POSITIVE_INFINITY;
    set(this.#panel, { 'aria-label': this.say('notifications') });
    this.show(this.#button, this.#panel);
    const draw = (): void => this.#draw(client);
    for (const value of [client.unread, client.doNotDisturb, client.connection, client.user]) {
      signal.addEventListener('abort', value.subscribe(draw), { once: true });
    }
    draw();
    document.addEventListener(
      'belfry-inbox',
      (event) => {
        if (event.defaultPrevented || this.#button.hidden) return;
        event.preventDefault();
        this.reveal();
      },
      { signal },
    );
    signal.addEventListener('abort', () => {
      this.hide();
      this.#panel.replaceChildren();
    });
  }

  #draw(client: Client): void {
    const n = client.unread.get();
    const quiet = client.doNotDisturb.get();
    const time = quiet.active ? untilWords(quiet, Date.now(), this.locale) : '';
    const words = [
      this.say('notifications'),
      n > 0 && this.say('unread', { n }),
      quiet.active && this.say('doNotDisturb'),
      time && this.say('until', { time }).toLocaleLowerCase(this.locale),
    ];
    set(this.#button, {
      'aria-label': words.filter(Boolean).join(', '),
      title: quiet.active ? words.slice(2).filter(Boolean).join(', ') : null,
      // Nobody is signed in: there is nothing to say.
      hidden: client.user.get() === null && client.connection.get().state === 'idle',
    });
    const number = Math.min(n, BADGE_MAX).toLocaleString(this.locale);
    this.#badge.textContent = n > BADGE_MAX ? `${number}+` : number;
    set(this.#badge, { hidden: n === 0 });
    set(this.#crescent, { hidden: !quiet.active });
    this.#badge.classList.remove('bump');
    if (n > this.#unread) {
      // Reading a measure makes the browser notice that the animation ended.
      void this.#badge.offsetWidth;
      this.#badge.classList.add('bump');
    }
    this.#unread = n;
  }

  #toggled(opens: boolean): void {
    if (opens === (this.#open !== null)) return;
    set(this.#button, { 'aria-expanded': opens });
    this.#panel.classList.toggle('open', opens);
    this.#open?.abort();
    this.#open = opens ? new AbortController() : null;
    if (!this.#open) {
      this.#panel.replaceChildren();
      return;
    }
    const part = (tag: string, props: { readonly [name: string]: unknown } = {}): HTMLElement => {
      const element = Object.assign(document.createElement(tag), { client: this.client });
      set(element, props);
      return element;
    };
    this.#panel.append(
      part(BelfryInbox.tag, { part: 'inbox', exportparts: INBOX_PARTS }),
      h('div', { part: 'settings' }, part(BelfryDoNotDisturb.tag), part(BelfrySound.tag)),
    );
    this.#place();
    const place = (): void => this.#place();
    const { signal } = this.#open;
    addEventListener('resize', place, { signal });
    addEventListener('scroll', place, { signal, capture: true, passive: true });
  }

  /** Under the bell where there is room, else above it; its end at the bell's end, and never outside the window. */
  #place(): void {
    const { top, bottom, left, right } = this.#button.getBoundingClientRect();
    const width = Math.min(WIDTH, innerWidth - 2 * GAP);
    const wish = getComputedStyle(this).direction === 'rtl' ? left : right - width;
    const x = Math.max(GAP, Math.min(wish, innerWidth - width - GAP));
    const above = top > innerHeight - bottom && innerHeight - bottom < 400;
    const room = Math.round(above ? top - 2 * GAP : innerHeight - bottom - 2 * GAP);
    const { style } = this.#panel;
    style.setProperty('--_left', `${Math.round(x)}px`);
    style.setProperty('--_room', `${room}px`);
    style.setProperty(
      '--_top',
      above ? `${Math.round(top - GAP - Math.min(640, room))}px` : `${Math.round(bottom + GAP)}px`,
    );
  }
}
