/** Whether somebody sits in front of this tab, as far as a page can know. */

/** Without input for this long nobody is there. */
const ACTIVE_MS = 120_000;

const INPUTS = ['pointerdown', 'pointermove', 'keydown', 'wheel', 'scroll'];

/** Watches for input until the signal aborts; the answer is a function. */
export function watchAttention(signal: AbortSignal): () => boolean {
  // That a page was opened says nothing: dashboards load themselves anew all night.
  let inputAt = 0;
  const touched = (): void => {
    inputAt = Date.now();
  };
  for (const type of INPUTS) addEventListener(type, touched, { passive: true, capture: true, signal });
  return () => document.visibilityState === 'visible' && document.hasFocus() && Date.now() - inputAt < ACTIVE_MS;
}
