/** An element that draws itself. */

import type { Readable } from '@belfry/client';
import { BelfryElement } from './element.js';
import type { Strings } from './strings.js';
import { surfaces } from './surfaces.js';

/** The base of those that show what a client says. */
export abstract class BelfryView extends BelfryElement {
  constructor(words: Partial<Strings>, ...styles: readonly string[]) {
    super(words, surfaces, ...styles);
  }

  /** Begins anew. */
  protected override restart(): void {
    this.settle(null);
    this.settle();
  }

  /** Replaces what is shown. */
  protected show(...nodes: readonly Node[]): void {
    this.root.replaceChildren(...this.root.querySelectorAll('style'), ...nodes);
  }

  /** Calls now and after each change of these. */
  protected follow(see: () => void, ...values: readonly Readable<unknown>[]): void {
    for (const value of values) this.until(value.subscribe(see));
    see();
  }
}
