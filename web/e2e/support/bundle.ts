/** Bundles the pages from the packages' sources, once per run. */

import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rolldown } from 'rolldown';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    /** The folder of the bundled pages. */
    pages: string;
  }
}

const folder = (path: string): string => new URL(`../${path}`, import.meta.url).pathname;

/** Runs before the first test. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const out = await mkdtemp(join(tmpdir(), 'belfry-pages-'));
  const files = (await readdir(folder('pages'))).filter((file) => /\.tsx?$/.test(file) && !file.endsWith('.d.ts'));
  const bundle = await rolldown({
    input: Object.fromEntries(files.map((file) => [file.replace(/\.tsx?$/, ''), folder(`pages/${file}`)])),
    platform: 'browser',
    resolve: {
      alias: Object.fromEntries(await sources()),
      extensionAlias: { '.js': ['.ts', '.tsx', '.js'] },
    },
    // React's strict mode mounts twice in development only.
    transform: { define: { 'process.env.NODE_ENV': '"development"' }, jsx: 'react-jsx' },
  });
  await bundle.write({ dir: out, entryFileNames: '[name].js', chunkFileNames: 'chunks/[name]-[hash].js' });
  await bundle.close();
  project.provide('pages', out);
  return () => rm(out, { recursive: true, force: true });
}

/** `@belfry/client/push` is `packages/client/src/push.ts`: nothing has to be built first. */
async function sources(): Promise<[string, string][]> {
  const aliases: [string, string][] = [];
  for (const name of await readdir(folder('../packages'))) {
    const source = folder(`../packages/${name}/src`);
    for (const file of await readdir(source).catch(() => [])) {
      const entry = /^([a-z_]+)\.tsx?$/.exec(file)?.[1];
      if (entry && entry !== 'index') aliases.push([`@belfry/${name}/${entry}`, `${source}/${file}`]);
      if (entry === 'index') aliases.push([`@belfry/${name}$`, `${source}/${file}`]);
    }
  }
  return aliases;
}
