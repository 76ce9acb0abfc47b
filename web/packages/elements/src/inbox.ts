/** `<belfry-inbox>`, an entry of its own: most pages show it only after a click on the bell. */

export { BelfryInbox } from './inbox/inbox.js';
