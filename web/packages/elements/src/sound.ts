/** `<belfry-sound>`: the switch of the chime. */

import type { Client } from '@belfry/client';
import { h, set } from './dom.js';
import { icon } from './icons.js';
import { soundWords } from './later-words.js';
import { BelfryView } from './view.js';

const sound = 'M2.4 6.2v3.6h2.4L8.4 13V3L4.8 6.2ZM10.8 5.8a3.2 3.2 0 0 1 0 4.4M12.7 3.9a5.8 5.8 0 0 1 0 8.2';

/** A line with an icon, a label, and what can be chosen at its end. */
export const switchStyles: string = `
:host{display:block}
[part~=setting]{display:flex;flex-wrap:wrap;align-items:center;gap:6px 8px;inline-size:100%;min-block-size:32px;color:var(--_text)}
[part~=setting]>.icon{color:var(--_faint)}
[part~=on]>.icon{color:var(--_accent)}
[part=label]{margin-inline-end:auto}
[part=knob]{flex:none;inline-size:30px;block-size:18px;padding:2px;border-radius:99px;background:color-mix(in srgb,var(--_text) 24%,transparent);transition:background .15s}
[part=knob]::after{content:'';display:block;inline-size:14px;block-size:14px;border-radius:50%;background:#fff;transition:translate .15s}
[aria-checked=true] [part=knob]{background:var(--_accent)}
[aria-checked=true] [part=knob]::after{translate:12px}
:dir(rtl)[aria-checked=true] [part=knob]::after{translate:-12px}
[part=hint]{color:var(--_soft);font-size:.86em}
@media (forced-colors:active){[part=knob]{border:1px solid;padding:1px}[part=knob]::after{background:CanvasText}[aria-checked=true] [part=knob]{forced-color-adjust:none;background:Highlight}}`;

/** The switch of the chime. Switching it on plays it once, and is the gesture that browsers ask for before any sound. */
export class BelfrySound extends BelfryView {
  static override readonly tag: string = 'belfry-sound';

  constructor() {
    super(soundWords, switchStyles);
  }

  protected override start(client: Client): void {
    const hint = h('span', { part: 'hint', role: 'status' });
    const button = h(
      'button',
      { part: 'setting', role: 'switch', click: () => client.setSound(!client.sound.get().enabled) },
      icon(sound),
      h('span', { part: 'label' }, this.say('sound')),
      h('span', { part: 'knob' }),
    );
    this.show(button, hint);
    this.follow(() => {
      const { enabled, blocked } = client.sound.get();
      set(button, { 'aria-checked': `${enabled}`, part: `setting ${enabled ? 'on' : 'off'}` });
      hint.textContent = enabled && blocked ? this.say('soundBlocked') : '';
    }, client.sound);
  }
}
