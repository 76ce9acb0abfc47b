/** Puts toasts on the screen and takes them off it. */

import type { AnyAlert, Presentation } from '@belfry/client';
import type { Content } from '../alert.js';
import { emit } from '../dom.js';
import type { toastWords } from '../words.js';
import { card } from './card.js';
import type { Manners } from './manners.js';
import { createRegion, type Region } from './region.js';
import type { RenderToast } from './toasts.js';

/** What `belfry-dismiss` says. */
export interface DismissDetail {
  readonly alert: AnyAlert | null;
  readonly reason: 'timeout' | 'user' | 'replaced';
}

/** A toast on the screen. */
export interface Toast {
  readonly node: HTMLElement;
  /** What it says. */
  readonly content: Content;
  /** What it names; a number and a summary name none. */
  readonly alert: AnyAlert | null;
  /** What an application drew instead. */
  readonly custom: Node | null | undefined;
  /** What it stands for: one, or those that it counts. */
  readonly shown: Set<Presentation>;
  readonly critical: boolean;
  readonly counts: boolean;
  /** How long somebody had it before them. */
  readMs: number;
}

/** The toasts of one element. */
export interface Toaster {
  readonly element: HTMLElement;
  readonly region: Region;
  /** In the order in which they came. */
  toasts: readonly Toast[];
  /** How they behave, once that is loaded. */
  manners: Manners | undefined;
  say(name: keyof typeof toastWords): string;
  /** `false`: it cannot be seen here, so another tab may try. */
  present(presentation: Presentation): void | false | Promise<void>;
  add(content: Content, alert: AnyAlert | null, shown: readonly [Presentation, ...Presentation[]]): Toast;
  remove(toast: Toast): void;
  dismiss(toast: Toast, reason: DismissDetail['reason']): void;
}

/** Makes the toaster of an element. */
export function createToaster(
  element: HTMLElement & { readonly renderToast: RenderToast | null },
  say: Toaster['say'],
): Toaster {
  const region = createRegion();
  const toaster: Toaster = {
    element,
    region,
    toasts: [],
    manners: undefined,
    say,
    present(presentation) {
      const { alert, summary, signal } = presentation;
      const { manners } = toaster;
      if (signal.aborted) return false;
      // Whoever prevents it shows it some other way.
      if (!emit(element, 'belfry-present', presentation)) return;
      // A number names no alert: nobody has seen this one.
      if (manners?.counts(presentation)) return new Promise(() => {});
      const title = summary && (manners?.sum(summary) ?? `${say('notifications')}: ${summary.count}`);
      const content: Content = alert ?? { severity: 'info', title: title ?? '' };
      const toast = toaster.add(content, alert, [presentation]);
      if (region.list.checkVisibility?.() === false) {
        toaster.remove(toast);
        return false;
      }
      region.announce(spoken(content), toast.critical);
    },
    add(content, alert, shown) {
      const custom = alert && element.renderToast?.(alert, shown[0]);
      const node = card(content, custom, say, (event, opens) => {
        if (toaster.manners) return toaster.manners.used(toast, event, opens);
        event.preventDefault();
        if (opens) shown[0].opened();
        toaster.dismiss(toast, 'user');
      });
      const toast: Toast = {
        node,
        content,
        alert,
        custom,
        shown: new Set(shown),
        critical: content.severity === 'critical',
        counts: !alert && !shown[0].summary,
        readMs: 0,
      };
      for (const one of shown)
        one.signal.addEventListener('abort', () => {
          // Read, archived, recalled or expired anywhere.
          toast.shown.delete(one);
          if (toast.shown.size === 0) toaster.remove(toast);
        });
      region.list.append(node);
      toaster.toasts = [...toaster.toasts, toast];
      if (toaster.toasts.length === 1) region.raise();
      toaster.manners?.added(toast);
      return toast;
    },
    remove(toast) {
      toast.node.remove();
      toaster.toasts = toaster.toasts.filter((other) => other !== toast);
      if (!toaster.toasts.length) region.raise();
    },
    dismiss(toast, reason) {
      toaster.remove(toast);
      for (const presentation of toast.shown) {
        presentation.dismissed(reason);
        emit(element, 'belfry-dismiss', { alert: presentation.alert, reason } satisfies DismissDetail);
      }
    },
  };
  return toaster;
}

/** What is read of it. */
export function spoken({ title, body }: Content): string {
  return body ? `${title}. ${body}` : title;
}
