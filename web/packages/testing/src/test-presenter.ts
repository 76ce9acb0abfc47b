/** What a test client presents, and what became of it. */

import type { AnyAlert, Clock, Presentation, Unsubscribe } from '@belfry/client';

/** One presentation, as it stands. */
export interface Presented {
  readonly alert: AnyAlert | null;
  readonly presentation: Presentation;
  /** `declined`: every handler returned `false`. `pending`: it returned a promise and did not call `shown()`. */
  readonly outcome: 'shown' | 'declined' | 'pending';
  readonly dismissed: 'timeout' | 'user' | 'replaced' | null;
  readonly opened: boolean;
}

/** What presenting needs of the test client. */
export interface PresenterHost {
  readonly clock: Clock;
  sound(): boolean;
  open(alert: AnyAlert): void;
  report(error: unknown): void;
}

type Handler = (presentation: Presentation) => void | false | Promise<void>;

type Takes = (alert: AnyAlert) => boolean;

interface Entry {
  alert: AnyAlert | null;
  presentation: Presentation;
  outcome: Presented['outcome'];
  dismissed: Presented['dismissed'];
  opened: boolean;
}

const BURST_MS = 5_000;

/** Presents to the handler that was registered last, and to the one before where that shows nothing, as a tab does. */
export class TestPresenter {
  readonly #host: PresenterHost;
  readonly #handlers: { readonly present: Handler; readonly takes: Takes | undefined }[] = [];
  readonly #entries: Entry[] = [];
  readonly #ends = new Map<string, AbortController>();
  #times: number[] = [];

  constructor(host: PresenterHost) {
    this.#host = host;
  }

  get presented(): readonly Presented[] {
    return this.#entries;
  }

  get presenters(): number {
    return this.#handlers.length;
  }

  /** `takes`: a listener that presents its event only, and comes before those that take everything. */
  register(present: Handler, takes?: Takes): Unsubscribe {
    const entry = { present, takes };
    this.#handlers.push(entry);
    return () => {
      const at = this.#handlers.indexOf(entry);
      if (at >= 0) this.#handlers.splice(at, 1);
    };
  }

  /** Without a presenter nothing is presented. */
  present(alert: AnyAlert | null, summary: Presentation['summary'] = null): void {
    const takers = alert === null ? [] : this.#handlers.filter(({ takes }) => takes?.(alert) ?? false);
    const others = this.#handlers.filter(({ takes }) => takes === undefined);
    const handlers = [...others, ...takers].reverse();
    if (handlers.length === 0) return;
    const end = new AbortController();
    if (alert !== null) this.#ends.set(alert.id, end);
    const entry = this.#entry(alert, summary, end);
    this.#entries.push(entry);
    // One that shows nothing passes it on.
    for (const { present } of handlers) if (this.#hand(present, entry)) return;
  }

  /** The alert needs no attention any more: its toast goes away. */
  end(id: string): void {
    this.#ends.get(id)?.abort();
    this.#ends.delete(id);
  }

  endAll(): void {
    for (const id of [...this.#ends.keys()]) this.end(id);
  }

  #entry(alert: AnyAlert | null, summary: Presentation['summary'], end: AbortController): Entry {
    const now = this.#host.clock.now();
    this.#times = [...this.#times.filter((at) => now - at < BURST_MS), now];
    const entry: Entry = {
      alert,
      outcome: 'pending',
      dismissed: null,
      opened: false,
      presentation: {
        alert,
        summary,
        sound: summary === null && this.#host.sound(),
        burst: this.#times.length,
        shown: () => {
          entry.outcome = 'shown';
        },
        dismissed: (reason) => {
          entry.dismissed ??= reason;
        },
        opened: () => {
          entry.opened = true;
          if (alert !== null) this.#host.open(alert);
        },
        signal: end.signal,
      },
    };
    return entry;
  }

  /** `false`: it is the next one's. */
  #hand(present: Handler, entry: Entry): boolean {
    entry.outcome = 'pending';
    try {
      const answer = present(entry.presentation);
      if (answer === false) {
        entry.outcome = 'declined';
        return false;
      }
      if (answer === undefined) entry.outcome = 'shown';
      else answer.catch((error: unknown) => this.#host.report(error));
    } catch (error) {
      entry.outcome = 'declined';
      this.#host.report(error);
    }
    return true;
  }
}
