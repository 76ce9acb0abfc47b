/** What a page with toasts alone loads later: a file of its own, so that a page with all elements has it only once. */

export { Manners } from './manners.js';
