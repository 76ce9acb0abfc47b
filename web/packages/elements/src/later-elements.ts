/** What is loaded later is loaded at once. */

import { BelfryAnnouncement } from './announcement.js';
import type { ElementClass } from './element.js';
import * as inbox from './inbox.js';
import * as settings from './settings.js';

export { createPanel } from './panel.js';

/** All of them. */
export const elements: readonly ElementClass[] = [
  BelfryAnnouncement,
  ...Object.values(inbox),
  ...Object.values(settings),
];
