/** What is loaded later is loaded at once. */

export { BelfryAnnouncement } from './announcement.js';
export * from './inbox.js';
export * from './settings.js';
