/** `<belfry-toasts>`: shows this tab's alerts, patiently, and without ever taking the focus. */

import type { AnyAlert, Client, Presentation } from '@belfry/client';
import type { Action, Content } from '../alert.js';
import { watchAttention } from '../attended.js';
import { emit, focusIn, h, modified, set } from '../dom.js';
import { BelfryElement, type ElementClass } from '../element.js';
import { open, quietly } from '../opening.js';
import { toastWords } from '../words.js';
import { card, rename } from './card.js';
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
  readonly node: HTMLElement;
  /** What it names; a number and a summary name none. */
  readonly alert: AnyAlert | null;
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

  readonly #region = h('belfry-toast-region');
  #toasts: readonly Toast[] = [];
  #ticking: ReturnType<typeof setInterval> | undefined;
  #attended: () => boolean = () => true;
  #hovered = false;
  /** Where the focus was before it came here. */
  #back: HTMLElement | null = null;

  constructor() {
    super(toastWords, ':host{display:contents}');
    this.root.append(h('slot'));
    const { list } = this.#region;
    set(list, {
      pointerenter: () => {
        this.#hovered = true;
      },
      pointerleave: () => {
        this.#hovered = false;
      },
      focusin: ({ relatedTarget }: FocusEvent) => {
        const from = relatedTarget as HTMLElement | null;
        if (from && !list.contains(from)) this.#back = from;
      },
    });
  }

  /** The words of toasts that stand there stay as they are; the next ones have the new. */
  protected override restart(): void {
    const name = this.say('notifications');
    set(this.#region.list, {
      'aria-label': this.#hotkey ? `${name} (${this.#hotkey})` : name,
      'data-placement': this.getAttribute('placement'),
    });
  }

  protected override start(client: Client, signal: AbortSignal): void {
    const region = this.#region;
    region.home = this;
    this.append(region);
    this.restart();
    this.#attended = watchAttention(signal);
    document.addEventListener('keydown', (event) => this.#jump(event), { signal });
    // Neither of these bubbles; on the way down they can be heard.
    for (const type of ['toggle', 'close'])
      document.addEventListener(type, () => region.settle(), { capture: true, signal });
    document.addEventListener('fullscreenchange', () => region.raise(), { signal });
    this.until(client.onPresent((presentation) => this.#present(presentation)));
    this.until(() => {
      for (const toast of this.#toasts) this.#remove(toast);
      region.home = null;
      region.remove();
    });
  }

  get #hotkey(): string {
    return this.getAttribute('hotkey') ?? 'F8';
  }

  /** The hotkey leads to the newest toast. */
  #jump(event: KeyboardEvent): void {
    const toast = this.#toasts.at(-1);
    if (!toast || event.key !== this.#hotkey || modified(event) || event.defaultPrevented) return;
    event.preventDefault();
    focus(toast);
  }

  /** `false`: it cannot be seen here, so another tab may try. */
  #present(presentation: Presentation): void | false | Promise<void> {
    const { alert, summary, burst, signal } = presentation;
    if (signal.aborted) return false;
    // Whoever prevents it shows it some other way.
    if (!emit(this, 'belfry-present', presentation)) return;
    const critical = alert?.severity === 'critical';
    const alike = this.#toasts.filter((toast) => toast.critical === critical);
    if (alert && (alike.some(({ counts }) => counts) || collapses(alike.length, burst, critical))) {
      this.#count(presentation, critical, alike);
      // A number names no alert: nobody has seen this one.
      return new Promise(() => {});
    }
    const why = summary?.reason === 'do-not-disturb' ? 'quiet' : 'away';
    const content = alert ?? { severity: 'info', title: this.say(why, { n: summary?.count ?? 0 }) };
    const toast = this.#add(content, alert, [presentation]);
    if (this.#region.list.checkVisibility?.() === false) {
      this.#remove(toast);
      return false;
    }
    this.#region.announce(text(content), critical);
  }

  /** Makes these and the new one a single toast with a number. */
  #count(presentation: Presentation, critical: boolean, alike: readonly Toast[]): void {
    const before = alike.filter(({ alert, counts }) => alert || counts);
    const shown = [presentation, ...before.flatMap((toast) => [...toast.shown])] as const;
    for (const toast of before) this.#remove(toast);
    const title = this.say('newAlerts', { n: shown.length });
    this.#add({ severity: critical ? 'critical' : 'info', title }, null, shown);
    if (critical || !before.some(({ counts }) => counts)) this.#region.announce(title, critical);
  }

  #add(content: Content, alert: AnyAlert | null, shown: readonly [Presentation, ...Presentation[]]): Toast {
    const region = this.#region;
    const [presentation] = shown;
    const node = card(content, {
      custom: alert && this.renderToast?.(alert, presentation),
      say: (name) => this.say(name),
      follow: (event, action) => this.#follow(event, toast, action),
      dismiss: ({ detail }) => this.#dismiss(toast, 'user', detail === 0),
    });
    const critical = content.severity === 'critical';
    const toast: Toast = {
      node,
      alert,
      critical,
      shown: new Set(shown),
      counts: !alert && !presentation.summary,
      stayMs: critical || this.hasAttribute('keep') ? Number.POSITIVE_INFINITY : stayMs(text(content)),
      readMs: 0,
    };
    for (const one of shown) one.signal.addEventListener('abort', () => this.#end(one, toast));
    const first = this.#toasts.length === 0;
    this.#toasts = [...this.#toasts, toast];
    // The newest stands nearest to the edge, and reading order is the order on the screen.
    if (this.getAttribute('placement')?.startsWith('top')) region.list.prepend(node);
    else region.list.append(node);
    region.settle();
    if (first) region.raise();
    this.#ticking ??= setInterval(() => this.#tick(), TICK_MS);
    return toast;
  }

  /** Read, archived, recalled or expired anywhere: it goes, and a number counts down. */
  #end(presentation: Presentation, toast: Toast): void {
    const { shown } = toast;
    shown.delete(presentation);
    if (shown.size > 0) rename(toast.node, this.say('newAlerts', { n: shown.size }));
    else this.#remove(toast);
  }

  /** The alert, or one of its actions; a number leads to the inbox. */
  #follow(event: MouseEvent, toast: Toast, action?: Action): void {
    const { client } = this;
    const { alert } = toast;
    const go = (): void => {
      for (const presentation of toast.shown) presentation.opened();
    };
    if (alert && client) quietly(open(event, this, client, alert, action, go));
    else emit(this, 'belfry-inbox', null);
    this.#dismiss(toast, 'user', event.detail === 0);
  }

  #tick(): void {
    this.#region.settle();
    // Somebody reads it, or nobody is there: time stands still.
    if (this.#hovered || focusIn(this.#region.shadowRoot) || !this.#attended()) return;
    for (const toast of this.#toasts) {
      toast.readMs += TICK_MS;
      const { alert } = toast;
      if (toast.readMs === SEEN_MS && alert && !alert.state.seen) quietly(this.client?.markSeen(alert));
      if (toast.readMs >= toast.stayMs) this.#dismiss(toast, 'timeout', false);
    }
  }

  #dismiss(toast: Toast, reason: DismissDetail['reason'], byKeyboard: boolean): void {
    const at = this.#toasts.indexOf(toast);
    if (at < 0) return;
    const held = toast.node.contains(focusIn(this.#region.shadowRoot));
    this.#remove(toast);
    for (const presentation of toast.shown) {
      presentation.dismissed(reason);
      emit(this, 'belfry-dismiss', { alert: presentation.alert, reason } satisfies DismissDetail);
    }
    // Who works by keyboard goes on to the next one; in the end, and with a pointer, the focus is back where it was.
    const next = this.#toasts[at] ?? this.#toasts.at(-1);
    if (byKeyboard && next) focus(next);
    else if (held) this.#back?.focus({ preventScroll: true });
  }

  #remove(toast: Toast): void {
    toast.node.remove();
    this.#toasts = this.#toasts.filter((other) => other !== toast);
    if (this.#toasts.length > 0) return;
    this.#region.raise();
    this.#hovered = false;
    clearInterval(this.#ticking);
    this.#ticking = undefined;
  }
}

/** The first thing in a card that can be used. */
function focus({ node }: Toast): void {
  node.querySelector<HTMLElement>('a,button')?.focus();
}

/** What is read of it. */
function text({ title, body }: Content): string {
  return body ? `${title}. ${body}` : title;
}
