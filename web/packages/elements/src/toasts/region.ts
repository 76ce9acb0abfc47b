/**
 * Where toasts are and where they are heard. It is a node of its own, inside `<belfry-toasts>` while at home, because it
 * moves: outside of an open modal dialog everything is inert. The element that the page placed stays where it is, so that
 * a framework finds it there.
 */

import { h, set } from '../dom.js';
import { PageElement } from '../element.js';
import { adopt, alertStyles, base } from '../styles.js';
import { toastStyles } from './styles.js';

/** Long enough to be spoken, short enough that nobody stumbles over it later. */
const SPOKEN_MS = 5_000;

type Movable = Element & { moveBefore(node: Node, before: Node | null): void };

/** The region of the toasts. */
export class BelfryToastRegion extends PageElement {
  static readonly tag = 'belfry-toast-region';
  /** Whose toasts these are; none: it is not in use. */
  home: Element | null = null;
  /** The list of cards. */
  readonly list: HTMLElement = h('div', { part: 'region', role: 'region', popover: 'manual' });
  readonly #polite = h('div', { part: 'polite', class: 'sr', role: 'status' });
  readonly #assertive = h('div', { part: 'assertive', class: 'sr', role: 'alert' });

  constructor() {
    super();
    const root = this.attachShadow({ mode: 'open' });
    adopt(root, [base, alertStyles, toastStyles]);
    root.append(this.#polite, this.#assertive, this.list);
  }

  connectedCallback(): void {
    // Libraries that hide all but a dialog leave it alone: each looks for another of these attributes.
    set(this, {
      'aria-live': 'off',
      'data-live-announcer': true,
      'data-react-aria-top-layer': true,
      'data-kb-top-layer': true,
    });
  }

  /** Without this, `moveBefore` would count as leaving and coming. */
  connectedMoveCallback(): void {}

  /** A dialog that was taken off the page took it along: it goes home. */
  disconnectedCallback(): void {
    queueMicrotask(() => {
      if (!this.isConnected && this.home?.isConnected) this.settle();
    });
  }

  /** Goes where it can be used: into the modal dialog in front, else home. */
  settle(): void {
    const place = frontDialog() ?? this.home;
    if (!place || this.parentElement === place) return;
    try {
      (place as Movable).moveBefore(this, null);
    } catch {
      // Where this is missing, or the region is off the page, it is put anew: that costs focus and animations.
      place.append(this);
    }
    this.raise();
  }

  /** To the front of the top layer: what opened last lies above. Without toasts it leaves it. */
  raise(): void {
    this.list.hidePopover?.();
    if (this.list.firstChild) this.list.showPopover?.();
  }

  /** Has a screen reader say it; only what is critical interrupts. */
  announce(text: string, critical: boolean): void {
    const words = h('p', {}, text);
    (critical ? this.#assertive : this.#polite).append(words);
    setTimeout(() => words.remove(), SPOKEN_MS);
  }
}

function frontDialog(): Element | null {
  try {
    const front = document.activeElement?.closest('dialog:modal');
    return front ?? [...document.querySelectorAll('dialog:modal')].at(-1) ?? null;
  } catch {
    // A DOM for tests that does not know `:modal` has no modal dialogs either.
    return null;
  }
}
