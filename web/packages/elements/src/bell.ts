/** `<belfry-bell>`: how many are unread, and the inbox behind it. */

import type { Client } from '@belfry/client';
import { focusIn, h, type Props, set } from './dom.js';
import { BelfryElement, PageElement } from './element.js';
import { bell, icon, moon } from './icons.js';
import { defineLater } from './later.js';
import { untilWords } from './time.js';
import { bellWords } from './words.js';

/** What does not fit into a badge. */
const BADGE_MAX = 99;

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
[part=panel]{position:fixed;z-index:var(--belfry-z,2147483000);flex-direction:column;inset:auto;inset-block-end:max(8px,env(safe-area-inset-bottom));inset-inline-end:8px;inline-size:min(420px,100vw - 16px);block-size:min(640px,85dvh);margin:0;padding:0;border:1px solid var(--_line);border-radius:calc(var(--_radius) + 2px);background:var(--_surface);color:var(--_text);box-shadow:var(--_shadow);overflow:hidden}
[part=panel]:focus-visible{outline:0}
[part=panel].open{display:flex}
[part=panel]:not(.open){display:none}
@supports (position-area:block-end){@media (min-width:520px){[part=button]{anchor-name:--belfry-bell}[part=panel]{position-anchor:--belfry-bell;position-area:self-block-end span-self-inline-start;position-try:most-block-size flip-block;inset:auto;margin-block:8px;block-size:auto;max-block-size:min(640px,100% - 16px)}}}
belfry-inbox{flex:1;border:0;border-radius:0}
[part=settings]{padding:4px 16px;border-block-start:1px solid var(--_line)}
@media (forced-colors:active){[part=badge]{border:1px solid}}`;

/** Popovers close by themselves: at a click elsewhere, at Escape, at the gesture for back. */
const native = 'showPopover' in PageElement.prototype;

/** The bell. */
export class BelfryBell extends BelfryElement {
  static override readonly tag: string = 'belfry-bell';

  readonly #badge = h('span', { part: 'badge', dir: 'ltr', 'aria-hidden': 'true' });
  readonly #crescent = h('span', { part: 'crescent' }, icon(moon));
  readonly #panel = h('div', { part: 'panel', id: 'panel', role: 'dialog', tabindex: -1, autofocus: true });
  readonly #button = h(
    'button',
    { part: 'button', 'aria-haspopup': 'dialog', 'aria-expanded': 'false', 'aria-controls': 'panel' },
    icon(bell),
    this.#crescent,
    this.#badge,
  );
  #client: Client | null = null;
  #open = false;
  #unread = 0;

  constructor() {
    super(bellWords, styles);
    const panel = this.#panel;
    // Somebody is about to open it, perhaps for the first time.
    for (const hint of ['pointerenter', 'focus']) this.#button.addEventListener(hint, load);
    if (native) {
      set(panel, { popover: 'auto' });
      // The browser then knows whose popover it is: the click that closes it does not open it again.
      this.#button.popoverTargetElement = panel;
      panel.addEventListener('beforetoggle', (event) => this.#toggled((event as ToggleEvent).newState === 'open'));
      return;
    }
    this.#button.addEventListener('click', () => this.#toggle(!this.#open));
    panel.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.hide();
    });
  }

  /** Opens the inbox. */
  reveal(): void {
    if (this.#client) this.#toggle(true);
  }

  /** Closes the inbox; the focus goes back to the bell. */
  hide(): void {
    this.#toggle(false);
  }

  #toggle(opens: boolean): void {
    if (opens === this.#open) return;
    if (native) this.#panel.togglePopover(opens);
    else {
      this.#toggled(opens);
      if (opens) this.#panel.focus();
    }
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
        const theirs = (event.target as Partial<BelfryElement>).client !== client;
        if (event.defaultPrevented || theirs || this.#button.hidden) return;
        event.preventDefault();
        this.reveal();
      },
      { signal },
    );
    signal.addEventListener('abort', () => {
      // What is off the page already cannot be closed there.
      if (this.isConnected) this.hide();
      else if (this.#open) this.#toggled(false);
    });
  }

  #draw(client: Client): void {
    const n = client.unread.get();
    const quiet = client.doNotDisturb.get();
    const time = quiet.active ? untilWords(quiet.until, Date.now(), this.locale) : '';
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
    this.#open = opens;
    load();
    // Browsers give the focus back to what had it, but do not look into shadow roots for that.
    if (!opens && this.#panel.contains(focusIn(this.root))) this.#button.focus({ preventScroll: true });
    set(this.#button, { 'aria-expanded': opens });
    this.#panel.classList.toggle('open', opens);
    const { client } = this;
    const part = (tag: string, props: Props = {}): HTMLElement => Object.assign(h(tag as 'div', props), { client });
    this.#panel.replaceChildren(
      ...(opens
        ? [
            part('belfry-inbox', { part: 'inbox', exportparts: INBOX_PARTS }),
            h('div', { part: 'settings' }, part('belfry-do-not-disturb'), part('belfry-sound')),
          ]
        : []),
    );
  }
}

/** Without a connection the panel stays empty, and the next try loads it. */
function load(): void {
  defineLater().catch(() => {});
}
