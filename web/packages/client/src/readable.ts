/** A value that tells when it changed. */

import type { Readable, Unsubscribe } from './types.js';

export interface Writable<T> extends Readable<T> {
  set(value: T): void;
}

/** Holds a value; listeners hear of another one only. `report` gets what a listener throws. */
export function writable<T>(value: T, report: (error: unknown) => void): Writable<T> {
  const hear = emitter<[T]>(report);
  return {
    get: () => value,
    set(next) {
      if (Object.is(value, next)) return;
      value = next;
      hear.emit(next);
    },
    subscribe: hear.add,
  };
}

export interface Emitter<A extends unknown[]> {
  add(listener: (...args: A) => void): Unsubscribe;
  emit(...args: A): void;
}

/** Calls every listener, also after one threw. The same function may listen twice. */
export function emitter<A extends unknown[]>(report: (error: unknown) => void): Emitter<A> {
  const listeners = new Set<{ call: (...args: A) => void }>();
  return {
    add(call) {
      const entry = { call };
      listeners.add(entry);
      return () => void listeners.delete(entry);
    },
    emit(...args) {
      for (const { call } of [...listeners]) {
        try {
          call(...args);
        } catch (error) {
          report(error);
        }
      }
    },
  };
}
