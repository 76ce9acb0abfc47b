/** `<belfry-do-not-disturb>`: quiet for an hour, until tomorrow, or until somebody says otherwise. */

import type { Client } from '@belfry/client';
import { actionStyles } from './actions.js';
import { type Child, h } from './dom.js';
import { icon, moon } from './icons.js';
import { focusIn } from './input.js';
import { quietWords } from './later-words.js';
import { localeOf } from './locale.js';
import { quietly } from './opening.js';
import { switchStyles } from './sound.js';
import { untilWords } from './time.js';
import { BelfryView } from './view.js';

const HOUR_MS = 3_600_000;

const styles = `
[part=choices]{display:flex;flex-wrap:wrap;gap:4px}
[part=choice]{font-size:.86em}
[part=choice]:not(:hover){color:var(--_soft)}
[part=until]{color:var(--_soft);font-size:.93em}`;

/** The switch for do-not-disturb. */
export class BelfryDoNotDisturb extends BelfryView {
  static override readonly tag: string = 'belfry-do-not-disturb';

  constructor() {
    super(quietWords, actionStyles, switchStyles, styles);
  }

  protected override start(client: Client): void {
    this.follow(() => {
      const focused = focusIn(this.root);
      this.#draw(client);
      if (focused) this.root.querySelector('button')?.focus();
    }, client.doNotDisturb);
  }

  #draw(client: Client): void {
    const { active, until } = client.doNotDisturb.get();
    const choose = (until: () => Date | 'on' | 'off', ...label: Child[]): HTMLElement =>
      h(
        'button',
        { part: 'choice', class: 'action', click: () => quietly(client.setDoNotDisturb({ until: until() })) },
        ...label,
      );
    const time = untilWords(until, client.now(), localeOf(this));
    const choices = active
      ? [choose(() => 'off', this.say('turnOff'))]
      : [
          choose(() => new Date(client.now() + HOUR_MS), this.say('oneHour')),
          choose(() => tomorrow(client.now()), this.say('tomorrow')),
          choose(() => 'on', this.say('untilOff')),
        ];
    this.show(
      h(
        'div',
        { part: `setting ${active ? 'on' : 'off'}`, role: 'group', 'aria-labelledby': 'label' },
        icon(moon),
        h('span', { part: 'label', id: 'label' }, this.say('doNotDisturb')),
        active && h('span', { part: 'until' }, time ? this.say('until').replace('{time}', time) : this.say('untilOff')),
        h('span', { part: 'choices' }, ...choices),
      ),
    );
  }
}

/** Tomorrow at eight, when most people want to hear of things again. */
export function tomorrow(now: number): Date {
  const at = new Date(now);
  at.setDate(at.getDate() + 1);
  at.setHours(8, 0, 0, 0);
  return at;
}
