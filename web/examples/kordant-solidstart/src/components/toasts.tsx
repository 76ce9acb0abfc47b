/** The application's own toasts, from before it had Belfry: anything may show one. */

import {
  type Accessor,
  createContext,
  createEffect,
  createSignal,
  For,
  type JSX,
  onCleanup,
  useContext,
} from 'solid-js';
import { Icon, type IconName } from './icons';

export interface Toast {
  readonly title: string;
  readonly text?: string | null;
  readonly tone: 'info' | 'warning' | 'critical';
  readonly icon?: IconName;
  readonly onOpen?: () => void;
  readonly onDismiss?: (reason: 'timeout' | 'user' | 'replaced') => void;
  /** Takes the place of the one with the same key. */
  readonly key?: string;
}

export interface Toaster {
  /** Shows it; what comes back takes it away. */
  show(toast: Toast): () => void;
}

interface Shown extends Toast {
  readonly id: number;
}

const ToasterContext = createContext<Toaster>();

export function useToast(): Toaster {
  const toaster = useContext(ToasterContext);
  if (toaster === undefined) throw new Error('useToast needs a ToastProvider above it');
  return toaster;
}

/** Long enough to be read: at least six seconds, and longer for longer texts. */
function timeOf(toast: Toast): number {
  return 6_000 + 60 * (toast.title.length + (toast.text?.length ?? 0));
}

export function ToastProvider(props: { children: JSX.Element }): JSX.Element {
  const [toasts, setToasts] = createSignal<readonly Shown[]>([]);
  const [held, setHeld] = createSignal(false);
  let ids = 0;
  const remove = (id: number): void => {
    setToasts((shown) => shown.filter((toast) => toast.id !== id));
  };
  const toaster: Toaster = {
    show(toast) {
      ids += 1;
      const id = ids;
      const replaced = toast.key === undefined ? [] : toasts().filter((one) => one.key === toast.key);
      for (const one of replaced) one.onDismiss?.('replaced');
      setToasts((shown) => [...shown.filter((one) => !replaced.includes(one)), { ...toast, id }]);
      return () => remove(id);
    },
  };
  return (
    <ToasterContext.Provider value={toaster}>
      {props.children}
      <section
        class="toaster"
        aria-label="New alerts"
        onPointerEnter={() => setHeld(true)}
        onPointerLeave={() => setHeld(false)}
        onFocusIn={() => setHeld(true)}
        onFocusOut={() => setHeld(false)}
      >
        <Stack politeness="assertive" toasts={toasts().filter(isCritical)} held={held} remove={remove} />
        <Stack
          politeness="polite"
          toasts={toasts().filter((toast) => !isCritical(toast))}
          held={held}
          remove={remove}
        />
      </section>
    </ToasterContext.Provider>
  );
}

const isCritical = (toast: Toast): boolean => toast.tone === 'critical';

/** One live region. Both are there from the start: one that appears together with its text is not read out. */
function Stack(props: {
  politeness: 'polite' | 'assertive';
  toasts: readonly Shown[];
  held: Accessor<boolean>;
  remove: (id: number) => void;
}): JSX.Element {
  return (
    <ol aria-live={props.politeness} aria-relevant="additions">
      <For each={props.toasts}>
        {(toast) => <Card toast={toast} held={props.held} remove={() => props.remove(toast.id)} />}
      </For>
    </ol>
  );
}

function Card(props: { toast: Toast; held: Accessor<boolean>; remove: () => void }): JSX.Element {
  const { toast } = props;
  let left = timeOf(toast);
  const dismiss = (reason: 'timeout' | 'user'): void => {
    props.remove();
    toast.onDismiss?.(reason);
  };
  createEffect(() => {
    // What is critical stays until somebody has seen to it.
    if (props.held() || isCritical(toast)) return;
    const began = Date.now();
    const timer = setTimeout(() => dismiss('timeout'), left);
    onCleanup(() => {
      clearTimeout(timer);
      left -= Date.now() - began;
    });
  });
  return (
    <li class={`toast ${toast.tone}`}>
      <span class={`badge-icon ${toast.icon ?? ''}`}>
        <Icon name={toast.icon ?? 'shield'} />
      </span>
      <div class="toast-text">
        <strong dir="auto">{toast.title}</strong>
        {toast.text && <p dir="auto">{toast.text}</p>}
        {toast.onOpen && (
          <button
            type="button"
            class="link"
            onClick={() => {
              props.remove();
              toast.onOpen?.();
            }}
          >
            Show
          </button>
        )}
      </div>
      <button type="button" class="bare" aria-label={`Dismiss: ${toast.title}`} onClick={() => dismiss('user')}>
        <Icon name="close" />
      </button>
    </li>
  );
}
