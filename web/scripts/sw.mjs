// The service worker of pages that have none of their own: `/sdk/sw.js`.

import { installPush } from '@belfry/client/worker';

installPush(self);
