/** `<belfry-toasts>`: shows this tab's alerts, patiently, and without ever taking the focus. */

import type { AnyAlert, Client, Presentation } from '@belfry/client';
import { watchAttention } from '../attended.js';
import { emit, focusIn, set } from '../dom.js';
import { BelfryElement, type ElementClass } from '../element.js';
import { type Action, open, quietly } from '../opening.js';
import { toastWords } from '../words.js';
import { type Content, card, rename } from './card.js';
import { collapses, stayMs, TICK_MS } from './pace.js';
import { BelfryToastRegion } from './region.js';

/** Before anybody was there this long a toast was not seen. */
const SEEN_MS = 1_000;

/** What `belfry-dismiss` says. */
export interface DismissDetail {
  readonly alert: AnyAlert | null;
  readonly reason: 'timeout' | 'user' | 'replaced';
}

/** Draws an alert's toast instead of title, text and actions; nothing: as usual. */
export type RenderToast = (alert: AnyAlert, presentation: Presentation) => Node | null | undefined;

interface Toast {
  node: HTMLElement;
  /** What it stands for: one, or those that it counts. */
  readonly shown: Set<Presentation>;
  readonly critical: boolean;
  readonly counts: boolean;
  readonly stayMs: number;
  /** How long somebody had it before them. */
  readMs: number;
}

/** The toasts of a page. */
export class BelfryToasts extends BelfryElement {
  static override readonly tag: string = 'belfry-toasts';
  static readonly uses: readonly ElementClass[] = [BelfryToastRegion];
  static override readonly observedAttributes: readonly string[] = ['client', 'lang', 'placement', 'hotkey'];
  /** An application's own content for an alert's toast. */
  renderToast: RenderToast | null = null;

  #client: Client | null = null;
  #region: BelfryToastRegion | null = null;
  #toasts: Toast[] = [];
  #ticking: ReturnType<typeof setInterval> | null = null;
  #attended: () => boolean = () => true;
  #hovered = false;
  /** Where the focus was before it came here. */
  #back: HTMLElement | null = null;

  constructor() {
    super(toastWords, ':host{display:contents}');
    this.root.append(document.createElement('slot'));
  }

  /** The words of toasts that stand there stay as they are; the next ones have the new. */
  protected override restart(): void {
    this.#label();
  }

  protected override start(client: Client, signal: AbortSignal): void {
    this.#client = client;
    const region = document.createElement(BelfryToastRegion.tag) as BelfryToastRegion;
    this.#region = region;
    region.settleIn(this);
    this.#label();
    this.#attended = watchAttention(signal);
    this.#listen(region, signal);
    signal.addEventListener(
      'abort',
      client.onPresent((presentation) => this.#present(presentation)),
    );
    signal.addEventListener('abort', () => {
      for (const toast of [...this.#toasts]) this.#remove(toast);
      region.leave();
    });
  }

  #label(): void {
    if (!this.#region) return;
    const hotkey = this.#hotkey;
    const name = this.say('notifications');
    set(this.#region.list, {
      'aria-label': hotkey ? `${name} (${hotkey})` : name,
      'data-placement': this.getAttribute('placement') ?? 'bottom-end',
    });
  }

  get #hotkey(): string {
    return this.getAttribute('hotkey') ?? 'F8';
  }

  #listen(region: BelfryToastRegion, signal: AbortSignal): void {
    const { list } = region;
    const settle = (): void => region.settle();
    document.addEventListener('keydown', (event) => this.#jump(event), { signal });
    // Neither of these bubbles; on the way down they can be heard.
    for (const type of ['toggle', 'close']) document.addEventListener(type, settle, { capture: true, signal });
    document.addEventListener('fullscreenchange', () => region.raise(), { signal });
    list.addEventListener('pointerenter', () => {
      this.#hovered = true;
    });
    list.addEventListener('pointerleave', () => {
      this.#hovered = false;
    });
    list.addEventListener('focusin', ({ relatedTarget }) => {
      if (relatedTarget instanceof HTMLElement && !list.contains(relatedTarget)) this.#back = relatedTarget;
    });
    list.addEventListener('keydown', (event) => {
      const toast = this.#toasts.find(({ node }) => node.contains(event.target as Node));
      if (event.key !== 'Escape' || !toast) return;
      // A dialog around it stays open.
      event.preventDefault();
      event.stopPropagation();
      this.#dismiss(toast, 'user', true);
    });
  }

  /** The hotkey leads to the newest toast. */
  #jump(event: KeyboardEvent): void {
    const plain = !event.ctrlKey && !event.altKey && !event.metaKey && !event.shiftKey;
    const toast = this.#toasts.at(-1);
    if (!toast || !plain || event.defaultPrevented || event.key !== this.#hotkey) return;
    event.preventDefault();
    focus(toast.node);
  }

  /** `false`: it cannot be seen here, so another tab may try. */
  #present(presentation: Presentation): void | false | Promise<void> {
    const { alert, summary, burst, signal } = presentation;
    if (signal.aborted || !this.#region) return false;
    // Whoever prevents it shows it some other way.
    if (!emit(this, 'belfry-present', presentation)) return;
    const critical = alert?.severity === 'critical';
    const alike = this.#toasts.filter((toast) => toast.critical === critical);
    const counted = alike.find(({ counts }) => counts);
    if (alert && (counted || collapses(alike.length, burst, critical))) {
      this.#count(presentation, critical, alike);
      // A number names no alert: nobody has seen this one.
      return new Promise(() => {});
    }
    const title = this.say(summary?.reason === 'do-not-disturb' ? 'quiet' : 'away', { n: summary?.count ?? 0 });
    const content = alert ?? { title };
    const custom = alert && this.renderToast?.(alert, presentation);
    const toast = this.#add(content, new Set([presentation]), critical, false, custom);
    if (this.#region.list.checkVisibility?.() === false) {
      this.#remove(toast);
      return false;
    }
    this.#region.announce(text(content).join('. '), critical);
  }

  /** Makes these and the new one a single toast with a number. */
  #count(presentation: Presentation, critical: boolean, alike: readonly Toast[]): void {
    const before = alike.filter((toast) => [...toast.shown].every(({ alert }) => alert));
    const shown = new Set([...before.flatMap((toast) => [...toast.shown]), presentation]);
    const fresh = !before.some(({ counts }) => counts);
    for (const toast of before) this.#remove(toast);
    const title = this.say('newAlerts', { n: shown.size });
    this.#add({ title }, shown, critical, true);
    if (fresh || critical) this.#region?.announce(title, critical);
  }

  #add(content: Content, shown: Set<Presentation>, critical: boolean, counts: boolean, custom?: Node | null): Toast {
    const severity = critical ? 'critical' : (content.severity ?? 'info');
    const node = card(content, severity, {
      custom,
      severityWord: severity !== 'info' && this.say(severity),
      dismissWord: this.say('dismiss'),
      follow: (event, action) => this.#follow(event, toast, action),
      dismiss: (event) => this.#dismiss(toast, 'user', event.detail === 0),
    });
    const stays = critical || this.hasAttribute('keep');
    const ms = stays ? Number.POSITIVE_INFINITY : stayMs(text(content).join());
    const toast: Toast = { node, shown, critical, counts, stayMs: ms, readMs: 0 };
    this.#toasts.push(toast);
    for (const one of shown) this.#end(one, toast);
    this.#place(node);
    this.#ticking ??= setInterval(() => this.#tick(), TICK_MS);
    return toast;
  }

  /** The newest stands nearest to the edge, and reading order is the order on the screen. */
  #place(node: HTMLElement): void {
    const region = this.#region;
    if (!region) return;
    const first = region.list.childElementCount === 0;
    if (region.list.dataset['placement']?.startsWith('top')) region.list.prepend(node);
    else region.list.append(node);
    region.settle();
    if (first) region.raise();
  }

  /** Read, archived, recalled or expired anywhere: it goes, and a number counts down. */
  #end(presentation: Presentation, toast: Toast): void {
    const gone = (): void => {
      if (!toast.shown.delete(presentation) || !this.#toasts.includes(toast)) return;
      if (toast.shown.size === 0) this.#remove(toast);
      else rename(toast.node, this.say('newAlerts', { n: toast.shown.size }));
    };
    presentation.signal.addEventListener('abort', gone, { once: true });
  }

  /** The alert, or one of its actions; a number leads to the inbox. */
  #follow(event: MouseEvent, toast: Toast, action?: Action): void {
    const [presentation] = toast.shown;
    const alert = toast.counts ? null : presentation?.alert;
    const client = this.#client;
    if (!alert || !client) emit(this, 'belfry-inbox', null);
    else {
      open(event, this, client, { alert, url: (action ?? alert).link ?? null }, () =>
        action ? quietly(client.markActed(alert.id, action.id)) : presentation?.opened(),
      );
    }
    this.#dismiss(toast, 'user', event.detail === 0);
  }

  #tick(): void {
    this.#region?.settle();
    // Somebody reads it, or nobody is there: time stands still.
    if (this.#hovered || focusIn(this.#region?.shadowRoot) || !this.#attended()) return;
    for (const toast of [...this.#toasts]) {
      toast.readMs += TICK_MS;
      if (toast.readMs === SEEN_MS) this.#seen(toast);
      if (toast.readMs >= toast.stayMs) this.#dismiss(toast, 'timeout', false);
    }
  }

  #seen(toast: Toast): void {
    const [presentation] = toast.shown;
    const alert = presentation?.alert;
    if (alert && !toast.counts && !alert.state.seen && this.#client) quietly(this.#client.markSeen(alert));
  }

  #dismiss(toast: Toast, reason: DismissDetail['reason'], byKeyboard: boolean): void {
    if (!this.#toasts.includes(toast)) return;
    const at = this.#toasts.indexOf(toast);
    const held = toast.node.contains(focusIn(this.#region?.shadowRoot));
    this.#remove(toast);
    for (const presentation of toast.shown) {
      presentation.dismissed(reason);
      emit(this, 'belfry-dismiss', { alert: presentation.alert, reason } satisfies DismissDetail);
    }
    // Who works by keyboard goes on to the next one; in the end, and with a pointer, the focus is back where it was.
    const next = this.#toasts[at] ?? this.#toasts.at(-1);
    if (byKeyboard && next) focus(next.node);
    else if (held) this.#back?.focus({ preventScroll: true });
  }

  #remove(toast: Toast): void {
    toast.node.remove();
    this.#toasts = this.#toasts.filter((other) => other !== toast);
    if (this.#toasts.length > 0) return;
    this.#region?.rest();
    this.#hovered = false;
    if (this.#ticking !== null) clearInterval(this.#ticking);
    this.#ticking = null;
  }
}

/** The first thing in a card that can be used. */
function focus(node: HTMLElement): void {
  node.querySelector<HTMLElement>('a,button')?.focus();
}

/** What is read of it. */
function text({ title, body }: Content): readonly string[] {
  return body ? [title, body] : [title];
}
