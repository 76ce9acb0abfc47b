/** The buttons of an alert, and all that look like them. */

import type { AnyAlert } from '@belfry/client';
import { type Content, control } from './alert.js';
import { type Child, h, type Props } from './dom.js';

/** A button that an alert brings along. */
export type Action = AnyAlert['actions'][number];

/** Buttons, and where they stand in an alert. */
export const actionStyles: string = `
.action{padding:3px 10px;border:1px solid var(--_line);border-radius:7px;font-size:.93em;font-weight:500;background:var(--_surface);color:var(--_text)}
.action:hover{background:var(--_sunk)}
[part=actions]{position:relative;display:flex;flex-wrap:wrap;gap:6px;margin-block-start:8px}
[part=title]:focus-visible{outline:0}
[part=title]:focus-visible::after{outline:2px solid var(--_accent);outline-offset:-2px}`;

/** Its buttons. */
export function actions(
  { actions: all = [] }: Content,
  follow: (event: MouseEvent, action: Action) => void,
  props: Props = {},
): Child {
  const button = (action: Action): HTMLElement => {
    const click = (event: MouseEvent): void => follow(event, action);
    return control(action.link, { part: 'action', class: 'action', click, ...props }, action.label);
  };
  return all.length > 0 && h('div', { part: 'actions' }, ...all.map(button));
}
