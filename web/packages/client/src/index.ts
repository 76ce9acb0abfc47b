/** The client of Belfry for browsers: one connection, one truth in every tab. */

export type * from './types.js';
