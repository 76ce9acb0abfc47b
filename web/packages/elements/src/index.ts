/**
 * Toasts, bell and what else a page shows at once, as custom elements. Importing does nothing: `defineBelfryElements()`
 * makes all tags known, `define(BelfryToasts)` one. Inbox, announcement and settings are entries of their own, loaded when
 * needed.
 */

import type { Presentation } from '@belfry/client';
import type { BelfryAnnouncement } from './announcement.js';
import { BelfryBell } from './bell.js';
import { BelfryClient, type ReadyDetail } from './client-element.js';
import { BelfryConnection } from './connection.js';
import type { BelfryDoNotDisturb } from './do-not-disturb.js';
import { define, type ElementClass } from './element.js';
import type { BelfryInbox } from './inbox/inbox.js';
import { withLater } from './later.js';
import type { OpenDetail } from './opening.js';
import type { BelfryPreferences } from './preferences.js';
import type { BelfryPushPrompt } from './push-prompt.js';
import type { BelfrySound } from './sound.js';
import type { BelfryToastRegion } from './toasts/dialogs.js';
import { Manners } from './toasts/manners.js';
import type { DismissDetail } from './toasts/toaster.js';
import { BelfryToasts, haveManners, type RenderToast } from './toasts/toasts.js';

/**
 * Makes all tags known to the page: those here at once, inbox, announcement and settings as soon as they are loaded,
 * which is what the promise waits for. On a server, and the second time, it does nothing.
 */
export async function defineBelfryElements(): Promise<void> {
  // Who has everything has this as well.
  haveManners(Manners);
  define(BelfryToasts, BelfryBell, BelfryConnection, BelfryClient);
  if (globalThis.customElements) await withLater();
}

export { setClient } from './clients.js';
export { type Plural, type Strings, setStrings } from './strings.js';
export {
  BelfryBell,
  BelfryClient,
  BelfryConnection,
  BelfryToasts,
  type DismissDetail,
  define,
  type ElementClass,
  type OpenDetail,
  type ReadyDetail,
  type RenderToast,
};

declare global {
  interface HTMLElementTagNameMap {
    'belfry-announcement': BelfryAnnouncement;
    'belfry-bell': BelfryBell;
    'belfry-client': BelfryClient;
    'belfry-connection': BelfryConnection;
    'belfry-do-not-disturb': BelfryDoNotDisturb;
    'belfry-inbox': BelfryInbox;
    'belfry-preferences': BelfryPreferences;
    'belfry-push-prompt': BelfryPushPrompt;
    'belfry-sound': BelfrySound;
    'belfry-toast-region': BelfryToastRegion;
    'belfry-toasts': BelfryToasts;
  }
  interface HTMLElementEventMap {
    /** An alert is about to be shown as a toast. Prevented: somebody else shows it. */
    'belfry-present': CustomEvent<Presentation>;
    /** An alert is about to be opened. Prevented: it is only marked as read. */
    'belfry-open': CustomEvent<OpenDetail>;
    /** A toast that stands for several alerts was opened. Prevented: no bell opens its inbox. */
    'belfry-inbox': CustomEvent<null>;
    /** A toast went away, by itself or by hand. */
    'belfry-dismiss': CustomEvent<DismissDetail>;
    /** A client is there. */
    'belfry-ready': CustomEvent<ReadyDetail>;
  }
}
