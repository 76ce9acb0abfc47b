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

type Movable = Element & { moveBefore?(node: Node, before: Node | null): void };

/** The toasts' region. Libraries that hide all but a dialog leave it alone: each looks for another of these attributes. */
const heard = {
  'aria-live': 'off',
  'data-live-announcer': true,
  'data-react-aria-top-layer': true,
  'data-kb-top-layer': true,
};

/** The region of the toasts. */
export class BelfryToastRegion extends PageElement {
  static readonly tag = 'belfry-toast-region';
  /** The list of cards. */
  readonly list: HTMLElement;
  readonly #polite: HTMLElement = h('div', { part: 'polite', class: 'sr', role: 'status' });
  readonly #assertive: HTMLElement = h('div', { part: 'assertive', class: 'sr', role: 'alert' });
  #home: Element | null = null;

  constructor() {
    super();
    const root = this.attachShadow({ mode: 'open' });
    adopt(root, [base, alertStyles, toastStyles]);
    this.list = h('div', { part: 'region', role: 'region', popover: 'manual' });
    // Engines without popovers would never show it again.
    if (!('showPopover' in this.list)) set(this.list, { popover: null });
    root.append(this.#polite, this.#assertive, this.list);
  }

  /** Without this, `moveBefore` would count as leaving and coming. */
  connectedMoveCallback(): void {}

  /** A dialog that was taken off the page took it along: it goes home. */
  disconnectedCallback(): void {
    queueMicrotask(() => {
      if (!this.isConnected && this.#home?.isConnected) this.settle();
    });
  }

  /** Moves in. */
  settleIn(home: Element): void {
    this.#home = home;
    set(this, heard);
    home.append(this);
  }

  /** Moves out for good. */
  leave(): void {
    this.#home = null;
    this.remove();
  }

  /** Goes where it can be used: into the modal dialog in front, else home. */
  settle(): void {
    const place = frontDialog() ?? this.#home;
    if (!place || this.parentElement === place) return;
    move(this, place);
    this.raise();
  }

  /** To the front of the top layer: what opened last lies above. */
  raise(): void {
    this.rest();
    if (this.list.childElementCount > 0) quiet(() => this.list.showPopover());
  }

  /** Leaves the top layer. */
  rest(): void {
    quiet(() => this.list.hidePopover());
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

/** `moveBefore` keeps an open popover, focus and animations; where it is missing the node is put anew. */
function move(node: Element, into: Movable): void {
  try {
    into.moveBefore?.(node, null);
  } catch {
    // A node that was taken off the page cannot be moved, only put.
  }
  if (node.parentElement !== into) into.append(node);
}

/** Popovers throw when they are open already, closed already, or unknown. */
function quiet(act: () => void): void {
  try {
    act();
  } catch {}
}
