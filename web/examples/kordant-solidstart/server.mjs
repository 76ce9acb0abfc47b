// The application in production: pages and Belfry's paths on one port.

import { proxyToBelfry, websocketService } from '@belfry/node/compat';
import { serve } from 'srvx';
import { staticMiddleware } from 'srvx/static';

process.env.NODE_ENV ??= 'production';
const { default: pages } = await import('./dist/server/entry-server.js');

const server = serve({
  port: Number(process.env.PORT ?? 3000),
  hostname: process.env.HOST ?? '127.0.0.1',
  middleware: [staticMiddleware({ dir: new URL('./dist/client', import.meta.url).pathname })],
  fetch: (request) => pages.fetch(request),
  gracefulShutdown: false,
});
await server.ready();

const { server: node } = server.node;
proxyToBelfry(node);
websocketService.initialize(node);

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await websocketService.shutdown();
    await server.close(true);
    process.exit(0);
  });
}
