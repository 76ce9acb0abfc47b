/** The custom elements as components. Properties and events are set in effects, which every React since 18 does alike. */

import type { Client, Presentation } from '@belfry/client';
import {
  BelfryBell,
  BelfryConnection,
  BelfryToasts,
  type DismissDetail,
  define,
  type ElementClass,
  type OpenDetail,
  type RenderToast,
} from '@belfry/elements';
import { BelfryAnnouncement } from '@belfry/elements/announcement';
import { BelfryInbox } from '@belfry/elements/inbox';
import { BelfryDoNotDisturb, BelfryPreferences, BelfryPushPrompt, BelfrySound } from '@belfry/elements/settings';
import {
  type CSSProperties,
  createElement,
  type ForwardRefExoticComponent,
  forwardRef,
  type ReactNode,
  type RefAttributes,
  useEffect,
  useImperativeHandle,
  useRef,
} from 'react';
import { useLatest } from './bus.js';
import { useBelfry } from './provider.js';

/** What happens in an element; `preventDefault()` keeps it from doing what it would do. */
export interface ElementEvents {
  /** A toast is about to be shown. */
  onPresent?: ((event: CustomEvent<Presentation>) => void) | undefined;
  /** An alert is about to be opened. */
  onOpen?: ((event: CustomEvent<OpenDetail>) => void) | undefined;
  /** A toast is gone. */
  onDismiss?: ((event: CustomEvent<DismissDetail>) => void) | undefined;
  /** A toast that stands for several was opened: show the inbox. */
  onInbox?: ((event: CustomEvent<null>) => void) | undefined;
}

/** What every element takes.  */
export interface ElementProps extends ElementEvents {
  id?: string | undefined;
  className?: string | undefined;
  style?: CSSProperties | undefined;
  children?: ReactNode;
  readonly [attribute: `${'aria' | 'data'}-${string}`]: string | undefined;
}

/** An element as a component. */
export type ElementComponent<E, P = object> = ForwardRefExoticComponent<P & ElementProps & RefAttributes<E>>;

const EVENTS = ['Present', 'Open', 'Dismiss', 'Inbox'] as const;

function component<E extends HTMLElement, P>(element: ElementClass): ElementComponent<E, P> {
  // biome-ignore lint/correctness/noComponentHookFactories: called once per element, when this module is read.
  const Component = forwardRef<E, Props>((props, forwarded) => {
    const client = useBelfry();
    const ref = useRef<(E & { client: Client | null }) | null>(null);
    const latest = useLatest(props);
    const { className, keep, always, renderToast, labels, onPresent, onOpen, onDismiss, onInbox, ...rest } = props;
    useImperativeHandle<E | null, E | null>(forwarded, () => ref.current);
    useEffect(() => {
      define(element);
      const listening = new AbortController();
      for (const name of EVENTS) {
        const tell = (event: Event): void => latest.current[`on${name}`]?.(event as never);
        ref.current?.addEventListener(`belfry-${name.toLowerCase()}`, tell, listening);
      }
      return () => listening.abort();
    }, [latest]);
    useEffect(() => {
      // The client last: with it the element begins.
      if (ref.current) Object.assign(ref.current, renderToast && { renderToast }, labels && { labels }, { client });
    });
    // An element that another part of the page made known before hydration has changed its own attributes.
    // What a boolean becomes differs between versions of React; an empty text does not.
    const attributes = { class: className, keep: keep ? '' : undefined, always: always ? '' : undefined };
    return createElement(element.tag, { ...rest, ...attributes, ref, suppressHydrationWarning: true });
  });
  Component.displayName = element.tag;
  return Component as unknown as ElementComponent<E, P>;
}

type Props = ElementProps & ToastsProps & PushPromptProps & PreferencesProps;

/** What `<Toasts>` takes. */
export interface ToastsProps {
  /** Where they stand, for example `top-end`. Default `bottom-end`. */
  placement?: string | undefined;
  /** The key that leads to the newest toast. Default `F8`. */
  hotkey?: string | undefined;
  /** They stay until somebody dismisses them. */
  keep?: boolean | undefined;
  /** Draws an alert's toast in place of title, text and actions. */
  renderToast?: RenderToast | undefined;
}

/** What `<Inbox>` takes. */
export interface InboxProps {
  /** Only these kinds, separated by spaces. */
  kinds?: string | undefined;
  category?: string | undefined;
  /** Rows per page. */
  limit?: number | undefined;
  /** What it begins with. Default `all`. */
  filter?: 'all' | 'unread' | undefined;
}

/** What `<Announcement>` takes. */
export interface AnnouncementProps {
  /** The kinds that concern everyone, separated by spaces. Default `system-message`. */
  kinds?: string | undefined;
}

/** What `<PushPrompt>` takes. */
export interface PushPromptProps {
  /** Also before the first alert was opened. */
  always?: boolean | undefined;
}

/** What `<Preferences>` takes. */
export interface PreferencesProps {
  /** The categories to show, separated by spaces. */
  categories?: string | undefined;
  /** What categories are called. */
  labels?: BelfryPreferences['labels'] | undefined;
}

/** Shows this tab's alerts. */
export const Toasts: ElementComponent<BelfryToasts, ToastsProps> = component(BelfryToasts);
/** The unread number, and the inbox behind it. */
export const Bell: ElementComponent<BelfryBell> = component(BelfryBell);
/** The list itself, where a page has room for it. */
export const Inbox: ElementComponent<BelfryInbox, InboxProps> = component(BelfryInbox);
/** Whether alerts arrive, in a word and a dot. */
export const ConnectionIndicator: ElementComponent<BelfryConnection> = component(BelfryConnection);
/** The banner for what concerns everyone. */
export const Announcement: ElementComponent<BelfryAnnouncement, AnnouncementProps> = component(BelfryAnnouncement);
/** Quiet for an hour, until tomorrow, or until it is switched off. */
export const DoNotDisturbSwitch: ElementComponent<BelfryDoNotDisturb> = component(BelfryDoNotDisturb);
/** The sound, on or off. */
export const SoundSwitch: ElementComponent<BelfrySound> = component(BelfrySound);
/** Asks for push when there is a reason to. */
export const PushPrompt: ElementComponent<BelfryPushPrompt, PushPromptProps> = component(BelfryPushPrompt);
/** Which alerts come by which way. */
export const Preferences: ElementComponent<BelfryPreferences, PreferencesProps> = component(BelfryPreferences);
