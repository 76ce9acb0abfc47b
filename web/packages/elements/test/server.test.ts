import { expect, it } from 'vitest';

it('on a server the elements can be imported and defined, and nothing happens', async () => {
  expect(typeof window).toBe('undefined');
  const { BelfryToasts, define, defineBelfryElements, setClient, setStrings } = await import('../src/index.js');
  const { BelfryPreferences } = await import('../src/settings.js');
  await defineBelfryElements();
  define(BelfryToasts, BelfryPreferences);
  setClient(null);
  setStrings({ live: 'On' });
  expect(BelfryToasts.tag).toBe('belfry-toasts');
});
