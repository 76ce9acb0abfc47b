/** A page of React for tests: mounts, updates and unmounts, each awaited by React itself. */

import type { Client } from '@belfry/client';
import { BelfryProvider } from '@belfry/react';
import { act, createElement, type ReactNode, StrictMode } from 'react';
import { createRoot } from 'react-dom/client';

Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true });

export interface Page {
  readonly body: HTMLElement;
  show(content: ReactNode): Promise<void>;
  unmount(): Promise<void>;
}

/** Mounts this content below a provider. */
export async function mount(client: Client, content: ReactNode, { strict = false } = {}): Promise<Page> {
  const body = document.createElement('main');
  document.body.append(body);
  const root = createRoot(body);
  const show = (next: ReactNode): Promise<void> => {
    const provided = createElement(BelfryProvider, { client }, next);
    return act(async () => root.render(strict ? createElement(StrictMode, null, provided) : provided));
  };
  await show(content);
  return {
    body,
    show,
    unmount: async () => {
      await act(async () => root.unmount());
      body.remove();
    },
  };
}

/** What a hook answered, render by render. */
export interface Probe<T> {
  readonly element: ReactNode;
  /** The same component with another hook: showing it updates the first. */
  again(hook: () => T): ReactNode;
  last(): T;
}

/** Calls this hook and keeps what it answers. */
export function probe<T>(hook: () => T): Probe<T> {
  const answers: T[] = [];
  const again = (other: () => T): ReactNode => createElement(Caller, { call: () => answers.push(other()) });
  return {
    element: again(hook),
    again,
    last: () => {
      if (answers.length === 0) throw new Error('The hook was never called.');
      return answers.at(-1) as T;
    },
  };
}

function Caller({ call }: { call: () => unknown }): null {
  call();
  return null;
}
