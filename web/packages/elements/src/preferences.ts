/**
 * `<belfry-preferences>`: which categories may reach a person by push and by e-mail, and at what hours not.
 */

import type { Client, DoNotDisturb } from '@belfry/client';
import { actionStyles } from './actions.js';
import { h } from './dom.js';
import { close, icon } from './icons.js';
import { focusIn } from './input.js';
import { preferenceWords } from './later-words.js';
import { localeOf } from './locale.js';
import { BelfryView } from './view.js';

type Window = DoNotDisturb['schedule'][number];
type Day = Window['days'][number];
type Channel = 'push' | 'email';

const CHANNELS: readonly Channel[] = ['push', 'email'];
const DAYS: readonly Day[] = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
/** A Monday, to ask `Intl` for the names of days. */
const MONDAY = Date.UTC(2024, 0, 1);
const DAY_MS = 86_400_000;
/** What most people call the night. */
const NIGHT: Window = { days: [...DAYS], from: '22:00', to: '07:00' };

const styles = `
:host{display:block;--_on-accent:var(--belfry-on-accent,light-dark(#fff,#14151a));color:var(--_text)}
[part=table]{inline-size:100%;table-layout:fixed;border-collapse:collapse}
th,td{padding:8px 4px;border-block-end:1px solid var(--_line);font-weight:400;text-align:start}
thead th{font-size:.86em;color:var(--_soft)}
tr>:first-child{padding-inline-start:0}
tr>:not(:first-child){inline-size:76px;text-align:center}
input[type=checkbox]{inline-size:18px;block-size:18px;accent-color:var(--_accent)}
[part=heading]{margin-block:20px 8px;font-size:1em;font-weight:600}
[part=window]{display:flex;flex-wrap:wrap;align-items:center;gap:8px;padding-block:8px;border:0;border-block-end:1px solid var(--_line)}
[part=days]{display:flex;gap:2px;margin-inline-end:auto}
[part=day]{display:grid;place-items:center;min-inline-size:30px;block-size:28px;border-radius:7px;font-size:.86em;color:var(--_soft);border:1px solid var(--_line)}
[part=day][aria-pressed=true]{background:var(--_accent);color:var(--_on-accent)}
label{display:inline-flex;align-items:center;gap:6px;font-size:.93em;color:var(--_soft)}
input[type=time]{font:inherit;color:var(--_text);min-block-size:30px;padding:0 6px;border:1px solid var(--_line);border-radius:7px;background:var(--_surface)}
[part=add]{margin-block-start:8px}
[part=note]{color:var(--_critical);font-size:.93em}
@media (forced-colors:active){[part=day][aria-pressed=true]{outline:2px solid Highlight}}`;

/** The preferences. `categories="deals security"` names those to show beside the ones that were chosen before. */
export class BelfryPreferences extends BelfryView {
  static override readonly tag: string = 'belfry-preferences';
  static override readonly observedAttributes: readonly string[] = ['client', 'lang', 'categories'];
  /** What a category is called; its name where nothing else is said. */
  labels: { readonly [category: string]: string } = {};
  readonly #note = h('p', { part: 'note', role: 'status' });

  constructor() {
    super(preferenceWords, actionStyles, styles);
  }

  protected override start(client: Client): void {
    const table = h('div');
    const hours = h('div');
    this.#note.textContent = '';
    this.show(table, h('h3', { part: 'heading' }, this.say('quietHours')), hours, this.#note);
    // What was at hand before the redraw is at hand afterwards.
    const redraw = (into: HTMLElement, draw: () => Node[]): void => {
      const name = focusIn(this.root)?.getAttribute('data-key');
      into.replaceChildren(...draw());
      const same = [...into.querySelectorAll<HTMLElement>('[data-key]')].find(({ dataset }) => dataset['key'] === name);
      same?.focus();
    };
    this.follow(() => redraw(table, () => this.#table(client)), client.preferences);
    this.follow(() => redraw(hours, () => this.#hours(client)), client.doNotDisturb);
    this.#save(client.preferences.load(), 'failed');
  }

  #table(client: Client): Node[] {
    const preferences = client.preferences.get();
    if (!preferences) return [];
    const named = this.getAttribute('categories')?.split(/\s+/).filter(Boolean) ?? [];
    const categories = [...new Set([...named, ...Object.keys(preferences.categories)])];
    const head = CHANNELS.map((channel) => h('th', { scope: 'col' }, this.say(channel)));
    const rows = [...categories, null].map((category) =>
      h(
        'tr',
        { part: 'category' },
        h('th', { scope: 'row' }, category === null ? this.say('everythingElse') : (this.labels[category] ?? category)),
        ...CHANNELS.map((channel) => h('td', {}, this.#choice(client, category, channel))),
      ),
    );
    return [h('table', { part: 'table' }, h('thead', {}, h('tr', {}, h('td'), ...head)), h('tbody', {}, ...rows))];
  }

  /** A way that nothing is said of is wanted; a category without a word of its own follows all others. */
  #choice(client: Client, category: string | null, channel: Channel): HTMLElement {
    const { default: all, categories } = client.preferences.get() ?? { default: {}, categories: {} };
    const wanted = (category === null ? undefined : categories[category]?.[channel]) ?? all[channel] ?? true;
    const label = category === null ? this.say('everythingElse') : (this.labels[category] ?? category);
    const box = h('input', {
      type: 'checkbox',
      part: 'choice',
      'data-key': `${category ?? ''}/${channel}`,
      'aria-label': `${label}: ${this.say(channel)}`,
      change: () => {
        const choice = { [channel]: box.checked };
        const change = category === null ? { default: choice } : { categories: { [category]: choice } };
        this.#save(client.preferences.set(change), 'notSaved', () => {
          box.checked = wanted;
        });
      },
    });
    box.checked = wanted;
    return box;
  }

  #hours(client: Client): Node[] {
    const { schedule } = client.doNotDisturb.get();
    const put = (next: readonly Window[]): void => {
      const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
      this.#save(client.setDoNotDisturb({ schedule: next, timeZone }), 'notSaved');
    };
    const rows = schedule.map((window, at) =>
      this.#window(window, at, (next) => put(schedule.flatMap((one, i) => (i !== at ? one : (next ?? []))))),
    );
    const add = h(
      'button',
      { part: 'add', class: 'action', 'data-key': 'add', click: () => put([...schedule, NIGHT]) },
      this.say('add'),
    );
    return [...rows, add];
  }

  #window(window: Window, at: number, change: (next: Window | null) => void): HTMLElement {
    const names = new Intl.DateTimeFormat(localeOf(this), { weekday: 'short', timeZone: 'UTC' });
    const days = DAYS.map((day, i) => {
      const on = window.days.includes(day);
      const others = DAYS.filter((one) => (one === day ? !on : window.days.includes(one)));
      return h(
        'button',
        {
          part: 'day',
          'data-key': `${at}/${day}`,
          'aria-pressed': `${on}`,
          // Hours on no day would be none: those are removed, not emptied.
          click: () => others.length > 0 && change({ ...window, days: others }),
        },
        names.format(MONDAY + i * DAY_MS),
      );
    });
    const time = (edge: 'from' | 'to'): HTMLElement => {
      const input = h('input', {
        type: 'time',
        part: 'time',
        'data-key': `${at}/${edge}`,
        required: true,
        change: () => input.value && change({ ...window, [edge]: input.value }),
      });
      input.value = window[edge];
      return h('label', {}, this.say(edge), input);
    };
    const remove = h(
      'button',
      { part: 'remove', class: 'tool', 'aria-label': this.say('remove'), click: () => change(null) },
      icon(close),
    );
    return h(
      'fieldset',
      { part: 'window', 'aria-label': this.say('quietHours') },
      h('span', { part: 'days' }, ...days),
      time('from'),
      time('to'),
      remove,
    );
  }

  #save(change: Promise<void>, word: 'failed' | 'notSaved', undo?: () => void): void {
    change.then(
      () => {
        this.#note.textContent = '';
      },
      () => {
        this.#note.textContent = this.say(word);
        undo?.();
      },
    );
  }
}
