/** A readable value that a test sets. */

import type { Readable, Unsubscribe } from '@belfry/client';

/** A `Readable` with a setter. Listeners hear of changes only, never of the value they already know. */
export class Value<T> implements Readable<T> {
  #value: T;
  readonly #listeners = new Set<(value: T) => void>();

  constructor(value: T) {
    this.#value = value;
  }

  get(): T {
    return this.#value;
  }

  set(value: T): void {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    for (const listener of [...this.#listeners]) listener(value);
  }

  subscribe(listener: (value: T) => void): Unsubscribe {
    // A wrapper of its own, so that one function subscribed twice is unsubscribed once.
    const entry = (value: T): void => listener(value);
    this.#listeners.add(entry);
    return () => {
      this.#listeners.delete(entry);
    };
  }

  /** How many listen: a component that unmounted leaves none behind. */
  get listeners(): number {
    return this.#listeners.size;
  }
}
