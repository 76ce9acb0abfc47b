export { createAlone as createTabs } from './alone.js';
