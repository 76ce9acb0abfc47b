/** What every element does: find its client, hold it while on the page, and say things in the page's language. */

import type { Client, Readable } from '@belfry/client';
import { listeners } from './changes.js';
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

  protected readonly root: ShadowRoot = this.attachShadow({ mode: 'open' });
  readonly #words: Partial<Strings>;
  readonly #styles: readonly HTMLElement[];
  #given: Client | null = null;
  #used: Client | null = null;
  /** From start to stop; what listens, listens until it aborts. */
  #life = new AbortController();

  constructor(words: Partial<Strings>, ...styles: readonly string[]) {
    super();
    this.#words = words;
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
      this.#given = this.client;
      Reflect.deleteProperty(this, 'client');
    }
    listeners.add(this.#look);
    this.#settle();
  }

  /** `moveBefore` keeps everything; without this it would count as leaving and coming. */
  connectedMoveCallback(): void {}

  disconnectedCallback(): void {
    // Whoever moves an element takes it out and puts it in: only what is still out afterwards has left.
    queueMicrotask(() => {
      if (this.isConnected) return;
      listeners.delete(this.#look);
      this.#settle();
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
    this.#settle(null);
    this.#settle();
  }

  /** Replaces what is shown. */
  protected show(...nodes: readonly Node[]): void {
    this.root.replaceChildren(...this.#styles, ...nodes);
  }

  /** Is called when it stops. */
  protected until(end: () => void): void {
    this.#life.signal.addEventListener('abort', end);
  }

  /** Calls now and after each change of these. */
  protected follow(see: () => void, ...values: readonly Readable<unknown>[]): void {
    for (const value of values) this.until(value.subscribe(see));
    see();
  }

  protected get locale(): string {
    return localeOf(this);
  }

  protected say(name: Word | Counted, values?: { n?: number; time?: string }): string {
    return say(this.#words, this.locale, name, values);
  }

  readonly #look = (): void => (this.client === this.#used ? this.restart() : this.#settle());

  #settle(client = this.isConnected ? this.client : null): void {
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
