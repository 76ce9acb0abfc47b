/** What a person sets, an entry of its own: most pages show it only after a click. */

export { BelfryDoNotDisturb } from './do-not-disturb.js';
export { BelfryPreferences } from './preferences.js';
export { BelfryPushPrompt } from './push-prompt.js';
export { BelfrySound } from './sound.js';
