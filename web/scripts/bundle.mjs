// Writes what the server hands out at `/sdk/*`: modules for pages without a build step, and the worker for push.
// Beside each file lies its compressed form.

import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { constants, gzipSync } from 'node:zlib';
import { rolldown } from 'rolldown';

const web = new URL('..', import.meta.url).pathname;
const into = join(web, 'dist', 'sdk');

const built = (name, entry) => join(web, 'packages', name, 'dist', `${entry}.js`);

/** Firefox keeps a module that the network failed as failed; under another address it asks again. */
const again = {
  name: 'again',
  renderChunk: (code) =>
    code.replace(/\bimport\((["'])(\.[^"']+)\1\)/g, 'import("$2").catch(() => import("$2?again=" + Date.now()))'),
};

/** A page's modules. What several share stands in chunks whose names say what is in them. */
const modules = {
  input: {
    client: built('client', 'index'),
    bus: built('client', 'bus'),
    worker: built('client', 'worker'),
    elements: built('elements', 'index'),
    auto: built('elements', 'auto'),
  },
  plugins: [again],
  output: {
    dir: into,
    format: 'esm',
    minify: true,
    comments: false,
    entryFileNames: '[name].js',
    chunkFileNames: 'chunks/[name]-[hash].js',
  },
};

/** One classic script: not every browser takes modules as service workers. */
const worker = {
  input: { sw: join(web, 'scripts', 'sw.mjs') },
  output: { dir: into, format: 'iife', minify: true, comments: false, entryFileNames: '[name].js' },
};

rmSync(into, { recursive: true, force: true });
for (const { input, output, plugins } of [modules, worker]) {
  const bundle = await rolldown({ input, plugins, platform: 'browser', cwd: web });
  const { output: files } = await bundle.write(output);
  await bundle.close();
  for (const { fileName } of files) {
    const path = join(into, fileName);
    writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: constants.Z_BEST_COMPRESSION }));
  }
}
