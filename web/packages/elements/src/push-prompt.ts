/** `<belfry-push-prompt>`: asks whether alerts may reach the device, once somebody has shown that alerts matter to them. */

import type { Client, PushState } from '@belfry/client';
import { h } from './dom.js';
import { pushWords } from './later-words.js';
import type { Word } from './strings.js';
import { BelfryView } from './view.js';

/** "Not now" holds for 30 days. */
const SNOOZE_MS = 30 * 24 * 3_600_000;
/** A page that an alert led to may still ask. */
const FRESH_MS = 5 * 60_000;
const SNOOZED = 'belfry/push-prompt/not-before';
const OPENED = 'belfry/push-prompt/opened-at';

const styles = `
:host{display:block;--_on-accent:var(--belfry-on-accent,light-dark(#fff,#14151a))}
[part=prompt]{display:grid;gap:4px;padding:12px 14px;border:1px solid var(--_line);border-radius:var(--_radius);background:var(--_surface);color:var(--_text)}
[part=heading]{font-size:1em;font-weight:600}
[part=text]{color:var(--_soft);font-size:.93em}
[part=buttons]{display:flex;flex-wrap:wrap;gap:6px;margin-block-start:8px}
button{min-block-size:30px;padding:0 12px;border-radius:7px;font-size:.93em;font-weight:500;color:var(--_soft)}
button:hover{background:var(--_sunk);color:var(--_text)}
[part=enable]{background:var(--_accent);color:var(--_on-accent)}
[part=enable]:hover{background:color-mix(in srgb,var(--_accent) 88%,var(--_text));color:var(--_on-accent)}
@media (forced-colors:active){button{border:1px solid}}`;

/** What is said in each state; the others have nothing to say. */
const texts: { readonly [S in PushState]?: Word } = {
  off: 'pushText',
  'other-user': 'pushOther',
  denied: 'pushBlocked',
  'needs-install': 'pushInstall',
  on: 'pushOn',
};

/** The question about push, or with the attribute `always` the setting. */
export class BelfryPushPrompt extends BelfryView {
  static override readonly tag: string = 'belfry-push-prompt';
  static override readonly observedAttributes: readonly string[] = ['client', 'lang', 'always'];
  #wanted = false;

  constructor() {
    super(pushWords, styles);
  }

  protected override start(client: Client, signal: AbortSignal): void {
    this.#wanted = Date.now() - remembered(OPENED) < FRESH_MS;
    const draw = (): void => this.#draw(client);
    document.addEventListener(
      'belfry-open',
      () => {
        this.#wanted = true;
        remember(OPENED, Date.now());
        draw();
      },
      { signal },
    );
    this.follow(draw, client.push.state);
  }

  #draw(client: Client): void {
    const state = client.push.state.get();
    const always = this.hasAttribute('always');
    const text = texts[state];
    // Who answered a question is not asked another: only the setting speaks of what is on, or of somebody else.
    const asks = this.#wanted && Date.now() >= remembered(SNOOZED) && state !== 'on' && state !== 'other-user';
    if (!text || !(always || asks)) {
      this.show();
      return;
    }
    const button = (part: string, word: Word, click: () => void): HTMLElement =>
      h('button', { part, click }, this.say(word));
    const able = state === 'off' || state === 'other-user';
    this.show(
      h(
        'section',
        { part: 'prompt', 'aria-label': this.say('push') },
        state === 'off' && h('h2', { part: 'heading' }, this.say('pushTitle')),
        h('p', { part: 'text', role: 'status' }, this.say(text)),
        h(
          'div',
          { part: 'buttons' },
          able && button('enable', 'turnOn', () => void client.push.enable().catch(() => {})),
          state === 'on' && button('disable', 'turnOff', () => void client.push.disable().catch(() => {})),
          !always && button('later', state === 'denied' ? 'dismiss' : 'notNow', () => this.#later(client)),
        ),
      ),
    );
  }

  #later(client: Client): void {
    remember(SNOOZED, Date.now() + SNOOZE_MS);
    this.#draw(client);
  }
}

/** Storage throws where a page may not store; then nothing is remembered. */
function remembered(key: string): number {
  try {
    return Number(localStorage.getItem(key) ?? 0);
  } catch {
    return 0;
  }
}

function remember(key: string, at: number): void {
  try {
    localStorage.setItem(key, String(at));
  } catch {}
}
