import { defineConfig } from 'vitest/config';

// Every file starts browsers and servers of its own; two at a time keep two cores busy.
export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    globalSetup: ['support/bundle.ts'],
    environment: 'node',
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
  },
});
