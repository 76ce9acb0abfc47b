/**
 * `<belfry-toasts>`: shows this tab's alerts, and never takes the focus. How toasts behave once they are on the screen is
 * loaded meanwhile, with `manners.ts`: no toast waits for it, and none is lost without it.
 */

import type { AnyAlert, Client, Presentation } from '@belfry/client';
import { h, set } from '../dom.js';
import { BelfryElement } from '../element.js';
import { toastWords } from '../words.js';
import { createToaster, type Toaster } from './toaster.js';

/** Draws an alert's toast instead of title, text and actions; nothing: as usual. */
export type RenderToast = (alert: AnyAlert, presentation: Presentation) => Node | null | undefined;

type MannersClass = typeof import('./manners.js').Manners;

/** Once it is here it is here for all. */
let Manners: MannersClass | undefined;

/** For pages that have it from the start. */
export function haveManners(manners: MannersClass): void {
  Manners = manners;
}

/** At once where it can be. What the network failed is asked for again by the next toast. */
async function learn(toaster: Toaster, client: Client, signal: AbortSignal): Promise<void> {
  Manners ??= (await import('./later.js').catch(() => undefined))?.Manners;
  if (Manners && !signal.aborted) toaster.manners ??= new Manners(toaster, client, signal);
}

/** The toasts of a page. */
export class BelfryToasts extends BelfryElement {
  static override readonly tag: string = 'belfry-toasts';
  static override readonly observedAttributes: readonly string[] = ['client', 'lang', 'placement', 'hotkey'];
  /** An application's own content for an alert's toast. */
  renderToast: RenderToast | null = null;

  readonly #toaster = createToaster(this, (name) => this.say(name));

  constructor() {
    super(toastWords, ':host{display:contents}');
    this.root.append(h('slot'));
  }

  /** The words of toasts that stand there stay as they are; the next ones have the new. */
  protected override restart(): void {
    const { region, manners } = this.#toaster;
    set(region.list, { 'aria-label': this.say('notifications') });
    manners?.restarted();
  }

  protected override start(client: Client, signal: AbortSignal): void {
    const toaster = this.#toaster;
    const { node } = toaster.region;
    this.append(node);
    this.restart();
    void learn(toaster, client, signal);
    this.until(
      client.onPresent((presentation) => {
        void learn(toaster, client, signal);
        return toaster.present(presentation);
      }),
    );
    this.until(() => {
      for (const toast of toaster.toasts) toaster.remove(toast);
      toaster.manners = undefined;
      node.remove();
    });
  }
}
