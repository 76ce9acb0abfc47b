/** The shop: its API, its pages, and Belfry behind the same origin. */

import { createServer, type Server } from 'node:http';
import { createPublisher } from '@belfry/node';
import { proxyToBelfry, websocketService } from '@belfry/node/compat';
import express, { type Express } from 'express';
import { routes } from './routes.js';
import { Sessions } from './session.js';
import { type Settings, settingsFrom } from './settings.js';
import { Shop } from './shop.js';

const ROOT = new URL('../../', import.meta.url);

/** Starts listening. */
export async function start(settings: Settings): Promise<Server> {
  const shop = await Shop.open(new URL('data/', ROOT));
  const app = shopApp(shop, settings);
  const server = createServer(app);
  // The sockets of pages come in on this port, too.
  websocketService.initialize(server, settings.belfry);
  await introduce(shop, settings);
  // The first flyers of the week are out already; nobody is told of those.
  shop.release();
  shop.takeNew();
  await new Promise<void>((resolve) => server.listen(settings.port, '127.0.0.1', resolve));
  return server;
}

function shopApp(shop: Shop, settings: Settings): Express {
  const app = express();
  app.disable('x-powered-by');
  // Before body parsers: what is Belfry's passes through as it is.
  proxyToBelfry(app, settings.belfry);
  app.use('/api', routes(shop, new Sessions(settings.jwtSecret, settings.secureCookies)));
  if (settings.pages) {
    const pages = new URL('dist/pages/', ROOT).pathname;
    app.use(express.static(pages));
    app.get('/{*path}', (_request, response) => response.sendFile('index.html', { root: pages }));
  }
  return app;
}

/** Tells Belfry how people can be reached when no page of theirs is open. */
async function introduce(shop: Shop, { belfry }: Settings): Promise<void> {
  const publisher = createPublisher(belfry);
  for (const { id, name, email, locale, time_zone } of shop.people.values()) {
    await publisher.putUser(id, { name, email, locale, time_zone });
  }
}

const settings = await settingsFrom(process.env);
const server = await start(settings);
process.stdout.write(`The shop is open at http://127.0.0.1:${settings.port}\n`);
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, async () => {
    server.close();
    // What waits to be published goes out first; open sockets end, and pages come back by themselves.
    await websocketService.shutdown();
    server.closeAllConnections();
  });
}
