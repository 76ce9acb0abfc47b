/** For development: the shop, and Vite in front of it for pages that change while one writes them. */

import { createServer } from 'vite';

await import('./main.js');
const vite = await createServer();
await vite.listen();
vite.printUrls();
