/** What is loaded later is loaded at once. */

export * from './inbox.js';
export * from './settings.js';
