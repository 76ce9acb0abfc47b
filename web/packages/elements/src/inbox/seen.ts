/** Which rows somebody has seen: mostly on screen, for a second, while somebody is there. */

import type { AnyAlert } from '@belfry/client';
import { watchAttention } from '../attended.js';

const SEEN_MS = 1_000;

/** Watches rows. */
export class SeenWatch {
  readonly #alertOf: (id: string) => AnyAlert | undefined;
  readonly #tell: (alerts: readonly AnyAlert[]) => void;
  readonly #attended: () => boolean;
  readonly #since = new Map<string, number>();
  readonly #observer: IntersectionObserver | null;
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(
    signal: AbortSignal,
    alertOf: (id: string) => AnyAlert | undefined,
    tell: (alerts: readonly AnyAlert[]) => void,
  ) {
    this.#alertOf = alertOf;
    this.#tell = tell;
    this.#attended = watchAttention(signal);
    // Without the means to know, nothing counts as seen.
    const Observer = globalThis.IntersectionObserver;
    this.#observer = Observer ? new Observer((entries) => this.#look(entries), { threshold: 0.6 }) : null;
    signal.addEventListener('abort', () => {
      this.#observer?.disconnect();
      if (this.#timer !== null) clearTimeout(this.#timer);
    });
  }

  watch(node: Element): void {
    this.#observer?.observe(node);
  }

  unwatch(node: HTMLElement): void {
    this.#observer?.unobserve(node);
    this.#since.delete(node.dataset['id'] ?? '');
  }

  #look(entries: readonly IntersectionObserverEntry[]): void {
    for (const { target, isIntersecting } of entries) {
      const id = (target as HTMLElement).dataset['id'] ?? '';
      if (!isIntersecting) this.#since.delete(id);
      else if (!this.#since.has(id)) this.#since.set(id, Date.now());
    }
    this.#wait();
  }

  #wait(): void {
    if (this.#timer !== null || this.#unseen().length === 0) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      const due = Date.now() - SEEN_MS;
      if (this.#attended()) {
        const alerts = this.#unseen().filter(({ id }) => (this.#since.get(id) ?? due + 1) <= due);
        for (const { id } of alerts) this.#since.delete(id);
        if (alerts.length > 0) this.#tell(alerts);
      }
      this.#wait();
    }, SEEN_MS);
  }

  #unseen(): AnyAlert[] {
    return [...this.#since.keys()].flatMap((id) => this.#alertOf(id) ?? []).filter(({ state }) => !state.seen);
  }
}
