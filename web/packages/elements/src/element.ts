/** What every element does: find its client, hold it while on the page, and say things in the page's language. */

import type { Client, Readable } from '@belfry/client';
import { onChange } from './changes.js';
import { findClient } from './clients.js';
import { type Counted, localeOf, type Strings, say, type Word } from './strings.js';
import { adopt, base } from './styles.js';

/** On a server there are no elements; there the classes can be imported, not made. */
export const PageElement: typeof HTMLElement = globalThis.HTMLElement ?? (class {} as typeof HTMLElement);

/** A class that can be made known. */
export interface ElementClass {
  new (): HTMLElement;
  readonly tag: string;
  /** Those that it makes use of. */
  readonly uses?: readonly ElementClass[];
}

/** Makes tags known to the page. On a server, and the second time, it does nothing. */
export function define(...elements: readonly ElementClass[]): void {
  const known = globalThis.customElements;
  if (!known) return;
  for (const element of elements) {
    define(...(element.uses ?? []));
    if (!known.get(element.tag)) known.define(element.tag, element);
  }
}

/** The base of all elements. */
export abstract class BelfryElement extends PageElement {
  static readonly tag: string;
  static readonly observedAttributes: readonly string[] = ['client', 'lang'];

  protected readonly root: ShadowRoot;
  readonly #words: Partial<Strings>;
  readonly #styles: readonly HTMLElement[];
  #given: Client | null = null;
  #used: Client | null = null;
  /** From start to stop; what listens, listens until it aborts. */
  #life: AbortController | null = null;
  #unlisten: (() => void) | null = null;

  constructor(words: Partial<Strings>, ...styles: readonly string[]) {
    super();
    this.#words = words;
    this.root = this.attachShadow({ mode: 'open' });
    this.#styles = adopt(this.root, [base, ...styles]);
  }

  /** Its own client; else the page's, or the one that the attribute `client` names. */
  get client(): Client | null {
    return this.#given ?? findClient(this.getAttribute('client') ?? '');
  }
  set client(client: Client | null) {
    this.#given = client;
    this.#settle();
  }

  connectedCallback(): void {
    // A property that was set before the class was known hides the accessor.
    if (Object.hasOwn(this, 'client')) {
      const { client } = this;
      Reflect.deleteProperty(this, 'client');
      this.#given = client;
    }
    this.#unlisten ??= onChange(() => (this.client === this.#used ? this.restart() : this.#settle()));
    this.#settle();
  }

  /** `moveBefore` keeps everything; without this it would count as leaving and coming. */
  connectedMoveCallback(): void {}

  disconnectedCallback(): void {
    // Whoever moves an element takes it out and puts it in: only what is still out afterwards has left.
    queueMicrotask(() => {
      if (this.isConnected) return;
      this.#unlisten?.();
      this.#unlisten = null;
      this.#stop();
    });
  }

  attributeChangedCallback(name: string, before: string | null, now: string | null): void {
    if (before === now) return;
    if (name === 'client') this.#settle();
    else this.restart();
  }

  /** Begins with a client. What it starts ends with the signal. */
  protected abstract start(client: Client, signal: AbortSignal): void;

  /** Begins anew: the words or the attributes changed. */
  protected restart(): void {
    this.#stop();
    this.#settle();
  }

  /** Replaces what is shown. */
  protected show(...nodes: readonly Node[]): void {
    this.root.replaceChildren(...this.#styles, ...nodes);
  }

  /** Calls now and after each change. */
  protected follow<T>(value: Readable<T>, signal: AbortSignal, see: (value: T) => void): void {
    signal.addEventListener('abort', value.subscribe(see), { once: true });
    see(value.get());
  }

  protected get locale(): string {
    return localeOf(this);
  }

  protected say(name: Word | Counted, values?: { n?: number; time?: string }): string {
    return say(this.#words, this.locale, name, values);
  }

  #settle(): void {
    const client = this.isConnected ? this.client : null;
    if (client === this.#used) return;
    this.#stop();
    if (!client) return;
    this.#used = client;
    this.#life = new AbortController();
    const { signal } = this.#life;
    // What is on the page is an interest in the connection.
    signal.addEventListener('abort', client.hold(), { once: true });
    this.start(client, signal);
  }

  #stop(): void {
    this.#used = null;
    this.#life?.abort();
    this.#life = null;
  }
}
