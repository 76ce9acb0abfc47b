/** What every element does: find its client, hold it while on the page, and say things in the page's language. */

import type { Client } from '@belfry/client';
import { listeners } from './changes.js';
import { findClient } from './clients.js';
import { type Strings, wordOf } from './strings.js';
import { adopt, base } from './styles.js';

/** On a server there are no elements; there the classes can be imported, not made. */
export const PageElement: typeof HTMLElement = globalThis.HTMLElement ?? (class {} as typeof HTMLElement);

/** A class that can be made known. */
export interface ElementClass {
  new (): HTMLElement;
  readonly tag: string;
}

/** Makes tags known to the page. On a server, and the second time, it does nothing. */
export function define(...elements: readonly ElementClass[]): void {
  const known = globalThis.customElements;
  for (const element of elements) if (known && !known.get(element.tag)) known.define(element.tag, element);
}

/** The base of all elements. */
export abstract class BelfryElement extends PageElement {
  static readonly tag: string;
  static readonly observedAttributes: readonly string[] = ['client', 'lang'];

  protected readonly root: ShadowRoot = this.attachShadow({ mode: 'open' });
  readonly #words: Partial<Strings>;
  #given: Client | null = null;
  #used: Client | null = null;
  /** From start to stop; what listens, listens until it aborts. */
  #life = new AbortController();

  constructor(words: Partial<Strings>, ...styles: readonly string[]) {
    super();
    this.#words = words;
    adopt(this.root, base, ...styles);
  }

  /** Its own client; else the page's, or the one that the attribute `client` names. */
  get client(): Client | null {
    return this.#given ?? findClient(this.getAttribute('client'));
  }
  set client(client: Client | null) {
    this.#given = client;
    this.settle();
  }

  connectedCallback(): void {
    // A property that was set before the class was known hides the accessor.
    if (Object.hasOwn(this, 'client')) {
      this.#given = this.client;
      Reflect.deleteProperty(this, 'client');
    }
    listeners.add(this.#look);
    this.settle();
  }

  /** `moveBefore` keeps everything; without this it would count as leaving and coming. */
  connectedMoveCallback(): void {}

  disconnectedCallback(): void {
    // Whoever moves an element takes it out and puts it in: only what is still out afterwards has left.
    queueMicrotask(() => {
      if (this.isConnected) return;
      listeners.delete(this.#look);
      this.settle();
    });
  }

  attributeChangedCallback(_name: string, before: string | null, now: string | null): void {
    if (before !== now) this.#look();
  }

  /** Begins with a client. What it starts ends with the signal. */
  protected abstract start(client: Client, signal: AbortSignal): void;

  /** The words or the attributes changed. */
  protected abstract restart(): void;

  /** Is called when it stops. */
  protected until(end: () => void): void {
    this.#life.signal.addEventListener('abort', end);
  }

  protected say<N extends keyof Strings>(name: N): Strings[N] {
    return wordOf(this, this.#words as Strings, name);
  }

  readonly #look = (): void => (this.client === this.#used ? this.restart() : this.settle());

  /** Ends with the client before, and begins with this one. */
  protected settle(client: Client | null = this.isConnected ? this.client : null): void {
    if (client === this.#used) return;
    this.#life.abort();
    this.#used = client;
    if (!client) return;
    this.#life = new AbortController();
    // What is on the page is an interest in the connection.
    this.until(client.hold());
    this.start(client, this.#life.signal);
  }
}
