/** The client of Belfry for browsers: one connection, one truth in every tab. */

export { createClient } from './client.js';
export type * from './types.js';
