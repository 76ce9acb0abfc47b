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
  environments: { client: { resolve: { conditions: ['browser', 'module', 'development'] } } },
  test: {
    include: ['packages/*/test/**/*.test.{ts,tsx}', 'examples/flyer-deals-react/test/**/*.test.ts'],
    exclude: ['packages/protocol/**'],
    environment: 'node',
    // Solid has a build for servers and one for browsers: only what Vite resolves itself gets the one of its environment.
    server: { deps: { inline: [/solid-js/] } },
    testTimeout: 10_000,
    restoreMocks: true,
  },
});
