/**
 * Where toasts are and where they are heard. It is a node of its own, inside `<belfry-toasts>` while at home, because it
 * moves: outside of an open modal dialog everything is inert. The element that the page placed stays where it is, so that
 * a framework finds it there.
 */

import { h } from '../dom.js';
import { adopt, alertStyles, base } from '../styles.js';
import { toastStyles } from './styles.js';

/** Long enough to be spoken, short enough that nobody stumbles over it later. */
const SPOKEN_MS = 5_000;

/** The region of the toasts. */
export interface Region {
  readonly node: HTMLElement;
  readonly root: ShadowRoot;
  /** The list of cards. */
  readonly list: HTMLElement;
  /** To the front of the top layer: what opened last lies above. Without toasts it leaves it. */
  raise(): void;
  /** Has a screen reader say it; only what is critical interrupts. */
  announce(text: string, critical: boolean): void;
}

/** Makes the region. Its live regions are there before the first toast, or a screen reader would miss it. */
export function createRegion(): Region {
  const node = h('belfry-toast-region', {
    // Libraries that hide all but a dialog leave it alone: each looks for another of these attributes.
    'aria-live': 'off',
    'data-live-announcer': true,
    'data-react-aria-top-layer': true,
    'data-kb-top-layer': true,
  });
  const root = node.attachShadow({ mode: 'open' });
  const live = (part: string, role: string): HTMLElement => h('div', { part, class: 'sr', role });
  const polite = live('polite', 'status');
  const assertive = live('assertive', 'alert');
  const list = h('div', { part: 'region', role: 'region', popover: 'manual' });
  adopt(root, base, alertStyles, toastStyles);
  root.append(polite, assertive, list);
  return {
    node,
    root,
    list,
    raise() {
      list.hidePopover?.();
      if (list.firstChild) list.showPopover?.();
    },
    announce(text, critical) {
      const words = h('p', {}, text);
      (critical ? assertive : polite).append(words);
      setTimeout(() => words.remove(), SPOKEN_MS);
    },
  };
}
