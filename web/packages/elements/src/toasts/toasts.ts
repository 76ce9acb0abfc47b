/** `<belfry-toasts>`: shows this tab's alerts, patiently, and without ever taking the focus. */

import type { AnyAlert, Client, Presentation } from '@belfry/client';
import { watchAttention } from '../attended.js';
import { emit, focusIn, set } from '../dom.js';
import { BelfryElement, type ElementClass } from '../element.js';
import { type Action, open, quietly } from '../opening.js';
import { toastWords } from '../words.js';
import { type CardParts, card } from './card.js';
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
    const [title, body] = alert ? [alert.title, alert.body] : [this.#summary(summary), null];
    const custom = (alert && this.renderToast?.(alert, presentation)) ?? null;
    const parts = { ...(alert ?? { image: null, link: null, actions: [] }), title, body, custom };
    const toast = this.#add(parts, new Set([presentation]), critical, false);
    if (this.#region.list.checkVisibility?.() === false) {
      this.#remove(toast);
      return false;
    }
    this.#region.announce(body ? `${title}. ${body}` : title, critical);
  }

  #summary(summary: Presentation['summary']): string {
    return this.say(summary?.reason === 'do-not-disturb' ? 'quiet' : 'away', { n: summary?.count ?? 0 });
  }

  /** Makes these and the new one a single toast with a number. */
  #count(presentation: Presentation, critical: boolean, alike: readonly Toast[]): void {
    const before = alike.filter((toast) => [...toast.shown].every(({ alert }) => alert));
    const shown = new Set([...before.flatMap((toast) => [...toast.shown]), presentation]);
    const fresh = !before.some(({ counts }) => counts);
    for (const toast of before) this.#remove(toast);
    const title = this.say('newAlerts', { n: shown.size });
    this.#add({ title, body: null, image: null, link: null, actions: [], custom: null }, shown, critical, true);
    if (fresh || critical) this.#region?.announce(title, critical);
  }

  #add(
    parts: Pick<CardParts, 'title' | 'body' | 'image' | 'link' | 'actions' | 'custom'> & { severity?: string },
    shown: Set<Presentation>,
    critical: boolean,
    counts: boolean,
  ): Toast {
    const severity = critical ? 'critical' : parts.severity === 'warning' ? 'warning' : 'info';
    const node = card({
      ...parts,
      severity,
      severityWord: severity === 'info' ? null : this.say(severity),
      dismissWord: this.say('dismiss'),
      open: (event) => this.#open(event, toast),
      act: (event, action) => this.#act(event, toast, action),
      dismiss: (event) => this.#dismiss(toast, 'user', event.detail === 0),
    });
    const stays = critical || this.hasAttribute('keep') ? Number.POSITIVE_INFINITY : 0;
    const toast: Toast = {
      node,
      shown,
      critical,
      counts,
      stayMs: stays || stayMs(`${parts.title}${parts.body ?? ''}`),
      readMs: 0,
    };
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
      else toast.node.querySelector('[part=title]')?.replaceChildren(this.say('newAlerts', { n: toast.shown.size }));
    };
    presentation.signal.addEventListener('abort', gone, { once: true });
  }

  #open(event: MouseEvent, toast: Toast): void {
    const [presentation] = toast.shown;
    const { alert } = presentation ?? {};
    const client = this.#client;
    if (alert && client && !toast.counts) {
      open(event, this, client, { alert, url: alert.link }, () => presentation?.opened());
    } else emit(this, 'belfry-inbox', null);
    this.#dismiss(toast, 'user', event.detail === 0);
  }

  #act(event: MouseEvent, toast: Toast, action: Action): void {
    const [presentation] = toast.shown;
    const { alert } = presentation ?? {};
    const client = this.#client;
    if (!alert || !client) return;
    open(event, this, client, { alert, url: action.link ?? null }, () =>
      quietly(client.markActed(alert.id, action.id)),
    );
    this.#dismiss(toast, 'user', event.detail === 0);
  }

  #tick(): void {
    this.#region?.settle();
    // Somebody reads it, or nobody is there: time stands still.
    const held = this.#hovered || focusIn(this.#region?.shadowRoot) || !this.#attended();
    if (!this.#attended()) return;
    for (const toast of [...this.#toasts]) {
      const before = toast.readMs;
      if (!held) toast.readMs += TICK_MS;
      if (before < SEEN_MS && toast.readMs >= SEEN_MS) this.#seen(toast);
      if (toast.readMs >= toast.stayMs) this.#dismiss(toast, 'timeout', false);
    }
  }

  #seen(toast: Toast): void {
    const [alert] = [...toast.shown].map((presentation) => presentation.alert);
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
