import { solidStart } from '@solidjs/start/config';
import { defineConfig } from 'vite';

const belfry = process.env['BELFRY_URL'] ?? 'http://127.0.0.1:8787';

// One origin in development, too: pages, sockets and the SDK's worker come from the same place, with the same cookie.
export default defineConfig({
  plugins: [solidStart()],
  server: {
    port: Number(process.env['PORT'] ?? 3000),
    proxy: {
      '/ws': { target: belfry, ws: true },
      '/v1': belfry,
      '/sdk': belfry,
    },
  },
});
