import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

const shop = `http://127.0.0.1:${process.env['PORT'] ?? 3000}`;

export default defineConfig({
  plugins: [react()],
  build: {
    outDir: 'dist/pages',
    rolldownOptions: { input: ['index.html', 'sonner.html'] },
  },
  server: {
    host: '127.0.0.1',
    port: Number(process.env['VITE_PORT'] ?? 5173),
    // One origin: cookie, sockets and Belfry's API behave as they will in production.
    proxy: {
      '/api': shop,
      '/v1': shop,
      '/sdk': shop,
      '/ws': { target: shop, ws: true },
    },
  },
});
