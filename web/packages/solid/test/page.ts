/** A page of Solid for tests. */

import type { Client } from '@belfry/client';
import { BelfryProvider } from '@belfry/solid';
import { createComponent, type JSX } from 'solid-js';
import { render } from 'solid-js/web';

export interface Page<T> {
  readonly body: HTMLElement;
  /** What the primitive answered. */
  readonly value: T;
  unmount(): void;
}

/** Mounts a component below a provider; it may return what the test wants to look at, or something to show. */
export function mount<T>(client: Client, component: () => T): Page<T> {
  const body = document.createElement('main');
  document.body.append(body);
  const answers: T[] = [];
  const Probe = (): JSX.Element => {
    const value = component();
    answers.push(value);
    return isShown(value) ? value : null;
  };
  const dispose = render(
    () =>
      createComponent(BelfryProvider, {
        client,
        get children() {
          return createComponent(Probe, {});
        },
      }),
    body,
  );
  const [value] = answers;
  if (answers.length !== 1) throw new Error('The component was not called exactly once.');
  return {
    body,
    value: value as T,
    unmount: () => {
      dispose();
      body.remove();
    },
  };
}

/** Components of elements answer a function that gives the node. */
function isShown(value: unknown): value is JSX.Element {
  return value instanceof Node || typeof value === 'function';
}
