import { defineConfig } from 'vitest/config';

// Every file starts browsers and servers of its own; two at a time keep two cores busy.
export default defineConfig({
  resolve: {
    alias: [
      { find: /^@belfry\/([a-z]+)$/, replacement: new URL('../packages/$1/src/index.ts', import.meta.url).pathname },
    ],
  },
  test: {
    include: ['tests/**/*.test.ts'],
    globalSetup: ['support/bundle.ts'],
    environment: 'node',
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
  },
});
