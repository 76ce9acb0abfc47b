/** What the bell opens: the inbox, and what can be set beside it. */

import type { BelfryBell } from './bell.js';
import { h, set } from './dom.js';
import { focusIn } from './input.js';
import { adopt } from './styles.js';

const styles = `
[part=panel]{position:fixed;z-index:var(--belfry-z,2147483000);flex-direction:column;inset:auto;inset-block-end:max(8px,env(safe-area-inset-bottom));inset-inline-end:8px;inline-size:min(420px,100vw - 32px);block-size:min(640px,85dvh);border:1px solid var(--_line);border-radius:calc(var(--_radius) + 2px);background:var(--_surface);color:var(--_text);box-shadow:var(--_shadow);overflow:hidden}
[part=panel]:focus-visible{outline:0}
:popover-open{display:flex}
@supports (position-area:block-end){@media (min-width:520px){[part=panel]{position-anchor:--belfry-bell;position-area:self-block-end span-self-inline-start;position-try:most-block-size flip-block;inset:auto;margin-block:8px;block-size:auto;max-block-size:min(640px,100% - 16px)}}}
[part=settings]{padding:4px 16px;border-block-start:1px solid var(--_line)}`;

/** The panel of a bell. */
export interface Panel {
  readonly node: HTMLElement;
  toggle(opens: boolean): void;
}

/** Makes it, closed, in the bell's root. It closes by itself: at a click elsewhere, at Escape, at the gesture for back. */
export function createPanel(bell: BelfryBell, root: ShadowRoot, button: HTMLElement, name: () => string): Panel {
  let open = false;
  const toggled = (opens: boolean): void => {
    if (opens === open) return;
    open = opens;
    // Browsers give the focus back to what had it, but do not look into shadow roots for that.
    if (!opens && node.contains(focusIn(root))) button.focus({ preventScroll: true });
    set(button, { 'aria-expanded': `${opens}` });
    const own = (element: HTMLElement): HTMLElement => Object.assign(element, { client: bell.client });
    const settings = (): HTMLElement =>
      h('div', { part: 'settings' }, own(h('belfry-do-not-disturb')), own(h('belfry-sound')));
    node.replaceChildren(...(opens ? [own(h('belfry-inbox', { part: 'inbox' })), settings()] : []));
  };
  const node = h('div', {
    part: 'panel',
    id: 'panel',
    role: 'dialog',
    tabindex: -1,
    popover: 'auto',
    beforetoggle: ({ newState }: ToggleEvent) => toggled(newState === 'open'),
    keydown: (event: KeyboardEvent) => {
      if (event.key !== 'Escape') return;
      // What lies around it stays open.
      event.preventDefault();
      toggle(false);
    },
  });
  const toggle = (opens: boolean): void => {
    set(node, { 'aria-label': name() });
    // A DOM for tests that knows no popovers has a panel as well.
    if (opens) node.showPopover?.();
    else node.hidePopover?.();
    toggled(opens);
    if (opens) node.focus();
  };
  adopt(root, styles);
  root.append(node);
  return { node, toggle };
}
