/**
 * How toasts behave once they are on the screen: their time, the keyboard's way to them and back, following them, and many
 * as one with a number. Loaded beside the connection; what came earlier behaves from then on.
 */

import type { Client, Presentation } from '@belfry/client';
import { type Action, actionStyles, actions } from '../actions.js';
import { watchAttention } from '../attended.js';
import { emit, set } from '../dom.js';
import { focusIn, modified } from '../input.js';
import { counted, localeOf } from '../locale.js';
import { open, quietly } from '../opening.js';
import { wordOf } from '../strings.js';
import { adopt } from '../styles.js';
import { surfaces } from '../surfaces.js';
import { watchDialogs } from './dialogs.js';
import { collapses, stayMs, TICK_MS } from './pace.js';
import { placementStyles } from './placements.js';
import { type DismissDetail, spoken, type Toast, type Toaster } from './toaster.js';
import { manyWords } from './words.js';

/** Before anybody was there this long a toast was not seen. */
const SEEN_MS = 1_000;

/** Minds the toasts of an element until the signal aborts. */
export class Manners {
  readonly #toaster: Toaster;
  readonly #client: Client;
  readonly #attended: () => boolean;
  readonly #settle: () => void;
  #hotkey = '';
  #ticking: ReturnType<typeof setInterval> | undefined;
  #hovered = false;
  /** Where the focus was before it came here. */
  #back: HTMLElement | null = null;

  constructor(toaster: Toaster, client: Client, signal: AbortSignal) {
    const { region, toasts } = toaster;
    const { list } = region;
    this.#toaster = toaster;
    this.#client = client;
    adopt(region.root, surfaces, actionStyles, placementStyles);
    this.#attended = watchAttention(signal);
    this.#settle = watchDialogs(toaster, signal);
    document.addEventListener('keydown', (event) => this.#jump(event), { signal });
    const hover = ({ type }: Event): void => {
      this.#hovered = type === 'pointerenter';
    };
    const arrive = ({ relatedTarget }: FocusEvent): void => {
      const from = relatedTarget as HTMLElement | null;
      if (from && !list.contains(from)) this.#back = from;
    };
    set(list, { pointerenter: hover, pointerleave: hover, focusin: arrive }, signal);
    this.restarted();
    for (const toast of toasts) this.added(toast);
  }

  /** Words or attributes changed. */
  restarted(): void {
    const { element, region, say } = this.#toaster;
    const name = say('notifications');
    this.#hotkey = element.getAttribute('hotkey') ?? 'F8';
    set(region.list, {
      'aria-label': this.#hotkey ? `${name} (${this.#hotkey})` : name,
      'data-placement': element.getAttribute('placement'),
    });
  }

  /** One more is on the screen. */
  added(toast: Toast): void {
    const { node, content, custom } = toast;
    const { region, toasts } = this.#toaster;
    const leave = (event: KeyboardEvent): void => {
      if (event.key !== 'Escape') return;
      // A dialog around it stays open.
      event.preventDefault();
      event.stopPropagation();
      this.#leave(toast, 'user', event);
    };
    set(node, { keydown: leave });
    const buttons = !custom && actions(content, (event, action) => this.used(toast, event, true, action));
    if (buttons) node.querySelector('[part=content]')?.append(buttons);
    // The newest stands nearest to the edge, and reading order is the order on the screen.
    if (region.list.matches('[data-placement^=top]')) region.list.prepend(node);
    // What the pointer was on has gone without a word.
    if (toasts.length === 1) this.#hovered = false;
    this.#settle();
    this.#ticking ??= setInterval(() => this.#tick(), TICK_MS);
  }

  /** It was clicked: it, one of its actions, or the button that closes it. A number leads to the inbox. */
  used(toast: Toast, event: MouseEvent, opens: boolean, action?: Action): void {
    const { element } = this.#toaster;
    const { alert, shown } = toast;
    const go = (): void => {
      for (const one of shown) one.opened();
    };
    if (opens && alert) quietly(open(event, element, this.#client, alert, action, go));
    else if (opens) emit(element, 'belfry-inbox', null);
    this.#leave(toast, 'user', event);
  }

  /** What a summary says. */
  sum({ count, reason }: NonNullable<Presentation['summary']>): string {
    return this.#many(reason === 'away' ? reason : 'quiet', count);
  }

  /** Whether it became part of a toast with a number. */
  counts(presentation: Presentation): boolean {
    const { alert, burst } = presentation;
    const { toasts, region, add, remove } = this.#toaster;
    const critical = alert?.severity === 'critical';
    const alike = toasts.filter((toast) => toast.critical === critical);
    const known = alike.some((toast) => toast.counts);
    if (!alert || !(known || collapses(alike.length, burst, critical))) return false;
    const shown: [Presentation, ...Presentation[]] = [presentation];
    for (const toast of alike)
      if (toast.alert || toast.counts) {
        shown.push(...toast.shown);
        remove(toast);
      }
    const title = this.#many('newAlerts', shown.length);
    const toast = add({ severity: critical ? 'critical' : 'info', title }, null, shown);
    for (const { signal } of shown) signal.addEventListener('abort', () => this.#rename(toast));
    if (critical || !known) region.announce(title, critical);
    return true;
  }

  #rename({ node, shown }: Toast): void {
    const title = this.#many('newAlerts', shown.size);
    node.ariaLabel = title;
    node.querySelector('[part=title]')?.lastChild?.replaceWith(title);
  }

  #many(name: keyof typeof manyWords, n: number): string {
    const { element } = this.#toaster;
    return counted(wordOf(element, manyWords, name), n, localeOf(element));
  }

  /** The hotkey leads to the newest toast. */
  #jump(event: KeyboardEvent): void {
    const toast = this.#toaster.toasts.at(-1);
    if (!toast || event.key !== this.#hotkey || modified(event) || event.defaultPrevented) return;
    event.preventDefault();
    focus(toast);
  }

  #tick(): void {
    const { element, region, toasts } = this.#toaster;
    this.#settle();
    if (toasts.length === 0) {
      clearInterval(this.#ticking);
      this.#ticking = undefined;
      return;
    }
    // Somebody reads it, or nobody is there: time stands still.
    if (this.#hovered || focusIn(region.root) || !this.#attended()) return;
    for (const toast of toasts) {
      const { alert, content, critical } = toast;
      toast.readMs += TICK_MS;
      if (toast.readMs === SEEN_MS && alert && !alert.state.seen) quietly(this.#client.markSeen(alert));
      if (critical || element.hasAttribute('keep') || toast.readMs < stayMs(spoken(content))) continue;
      this.#leave(toast, 'timeout');
    }
  }

  #leave(toast: Toast, reason: DismissDetail['reason'], event?: UIEvent): void {
    const toaster = this.#toaster;
    const at = toaster.toasts.indexOf(toast);
    if (at < 0) return;
    const held = toast.node.contains(focusIn(toaster.region.root));
    toaster.dismiss(toast, reason);
    // Who works by keyboard goes on to the next one; in the end, and with a pointer, the focus is back where it was.
    const next = toaster.toasts[at] ?? toaster.toasts.at(-1);
    // A click by keyboard has no count.
    if (event?.detail === 0 && next) focus(next);
    else if (held) this.#back?.focus({ preventScroll: true });
  }
}

/** To the first thing in a card that can be used. */
function focus({ node }: Toast): void {
  node.querySelector<HTMLElement>('a,button')?.focus();
}
