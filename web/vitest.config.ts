import { defineConfig } from 'vitest/config';

// Tests run against the sources: nothing has to be built first.
const source = (path: string): string => new URL(path, import.meta.url).pathname;

export default defineConfig({
  resolve: {
    alias: [
      { find: /^@belfry\/([a-z]+)$/, replacement: source('packages/$1/src/index.ts') },
      { find: /^@belfry\/([a-z]+)\/([a-z]+)$/, replacement: source('packages/$1/src/$2.ts') },
    ],
  },
  test: {
    include: ['packages/*/test/**/*.test.{ts,tsx}'],
    exclude: ['packages/protocol/**'],
    environment: 'node',
    testTimeout: 10_000,
    restoreMocks: true,
  },
});
