/** The tabs of one browser as the client sees them: one of them has the connection, all of them have its frames. */

import { createAlone } from './alone.js';
import type { TabsOptions } from './seams.js';
import type { Tabs, TabsHost } from './tabs.js';

export type { TabsOptions } from './seams.js';

/** What tabs must have in common to share a connection. `base` and `user` keep applications and people apart. */
export const tabsName = (scope: string, base: string | URL, user: string): string =>
  `belfry/1/${scope}/${base}/${user}`;

/** Takes part in the tabs of this name, from the first `join`. */
export function createTabs(options: TabsOptions, host: TabsHost): Tabs {
  return createAlone(options, host);
}
