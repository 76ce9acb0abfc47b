/** Outside of an open modal dialog everything is inert: the region of the toasts moves into it, and home again. */

import { define, PageElement } from '../element.js';
import type { Toaster } from './toaster.js';

type Movable = Element & { moveBefore(node: Node, before: Node | null): void };

/** The region's own class. It has no look: it notices that a dialog took the region off the page. */
export class BelfryToastRegion extends PageElement {
  static readonly tag: string = 'belfry-toast-region';
  /** It left the page, and nobody puts it back. */
  lost: (() => void) | undefined;

  /** Without this, `moveBefore` would count as leaving and coming. */
  connectedMoveCallback(): void {}

  disconnectedCallback(): void {
    queueMicrotask(() => this.isConnected || this.lost?.());
  }
}

/** Follows dialogs until the signal aborts; what it answers looks at once. */
export function watchDialogs({ element, region }: Toaster, signal: AbortSignal): () => void {
  const { node, raise } = region;
  const settle = (): void => {
    const place = frontDialog() ?? element;
    if (signal.aborted || node.parentElement === place) return;
    try {
      (place as Movable).moveBefore(node, null);
    } catch {
      // Where this is missing, or the region is off the page, it is put anew: that costs focus and animations.
      place.append(node);
    }
    raise();
  };
  define(BelfryToastRegion);
  Object.assign(node, { lost: settle });
  // Neither of these bubbles; on the way down they can be heard.
  for (const type of ['toggle', 'close']) document.addEventListener(type, settle, { capture: true, signal });
  document.addEventListener('fullscreenchange', raise, { signal });
  return settle;
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
