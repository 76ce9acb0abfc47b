import { solidStart } from '@solidjs/start/config';
import { defineConfig } from 'vite';

const belfry = process.env['BELFRY_URL'] ?? 'http://127.0.0.1:8787';

// One origin in development, too: pages, sockets and the SDK's worker come from the same place, with the same cookie.
export default defineConfig({
  // The overlay of SolidStart 2.0.5 brings a page error of its own.
  plugins: [solidStart({ devOverlay: false })],
  resolve: { dedupe: ['solid-js'] },
  // Found only behind the sign-in, they would be bundled with a second copy of solid-js in the middle of a visit.
  optimizeDeps: { exclude: ['@belfry/client', '@belfry/elements', '@belfry/solid'] },
  server: {
    port: Number(process.env['PORT'] ?? 3000),
    proxy: {
      '/ws': { target: belfry, ws: true },
      '/v1': belfry,
      '/sdk': belfry,
    },
  },
});
