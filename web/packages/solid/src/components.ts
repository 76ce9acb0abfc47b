/** The custom elements as components. */

import type { Presentation } from '@belfry/client';
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
import { type Component, createComponent, type JSX, type Ref } from 'solid-js';
import { Dynamic } from 'solid-js/web';
import { useBelfry } from './provider.js';

/** What happens in an element; `preventDefault()` keeps it from doing what it would do. */
export interface ElementEvents {
  /** A toast is about to be shown. */
  onPresent?: (event: CustomEvent<Presentation>) => void;
  /** An alert is about to be opened. */
  onOpen?: (event: CustomEvent<OpenDetail>) => void;
  /** A toast is gone. */
  onDismiss?: (event: CustomEvent<DismissDetail>) => void;
  /** A toast that stands for several was opened: show the inbox. */
  onInbox?: (event: CustomEvent<null>) => void;
}

/** What every element takes. */
export interface ElementProps<E extends HTMLElement = HTMLElement> extends ElementEvents {
  ref?: Ref<E>;
  id?: string;
  class?: string;
  style?: JSX.CSSProperties | string;
  children?: JSX.Element;
  readonly [attribute: `${'aria' | 'data'}-${string}`]: string | undefined;
}

/** How Solid is told what a name is: an event, a property, or an attribute. */
function nameOf(name: string): string {
  if (/^on[A-Z]/.test(name)) return `on:belfry-${name.slice(2).toLowerCase()}`;
  if (/^(ref|class|style|children)$/.test(name)) return name;
  return `${/^(renderToast|labels)$/.test(name) ? 'prop' : 'attr'}:${name}`;
}

/** An element as a component. */
export type ElementComponent<E extends HTMLElement, P = object> = Component<P & ElementProps<E>>;

function component<E extends HTMLElement, P extends object>(element: ElementClass): ElementComponent<E, P> {
  return (props) => {
    define(element);
    const given: Record<string, unknown> = { component: element.tag, 'prop:client': useBelfry() };
    for (const name of Object.keys(props)) {
      // Read where it is used, so that it is followed. An attribute that is `true` is there, one that is `false` is not.
      const get = (): unknown => {
        const value: unknown = Reflect.get(props, name);
        return value === true ? '' : value === false ? undefined : value;
      };
      Object.defineProperty(given, nameOf(name), { get, enumerable: true });
    }
    return createComponent(Dynamic, given as { component: string });
  };
}

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
