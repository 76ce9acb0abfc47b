// What a page pays, minified and compressed, against what it may. 1 kB is 1,000 bytes. With `--report` it only prints.

import { constants, gzipSync } from 'node:zlib';
import { rolldown } from 'rolldown';

const web = new URL('..', import.meta.url).pathname;
const everything = (name) => `export * from '${name}';`;

/** A page that shows toasts and nothing else. */
const toasts = `export { BelfryToasts, define } from '@belfry/elements';`;

/** What bindings stand on. They are measured by what they add to a page that has it. */
const bound = [
  'client',
  'client/bindings',
  'elements',
  'elements/announcement',
  'elements/inbox',
  'elements/lazy',
  'elements/settings',
]
  .map((name) => everything(`@belfry/${name}`))
  .join('');

/** Each: what is imported, what else is on the page already and does not count, and the limit in bytes. */
const budgets = [
  { what: 'client', code: everything('@belfry/client'), limit: 8_000 },
  { what: 'the rest, meanwhile', chunk: 'account', code: everything('@belfry/client'), limit: 11_000 },
  { what: 'push, lazy', chunk: 'push', code: everything('@belfry/client'), limit: 1_500 },
  { what: 'SSE, lazy', chunk: 'sse', code: everything('@belfry/client'), limit: 1_500 },
  {
    what: 'toasts alone',
    code: toasts,
    external: ['@belfry/client'],
    limit: 4_000,
  },
  { what: 'their rest, meanwhile', chunk: 'later', code: toasts, external: ['@belfry/client'], limit: 2_800 },
  { what: 'all elements', code: everything('@belfry/elements'), external: ['@belfry/client'], limit: 9_000 },
  { what: 'client + all elements', code: everything('@belfry/client') + everything('@belfry/elements'), limit: 17_000 },
  { what: 'React', code: everything('@belfry/react'), besides: bound, external: ['react'], limit: 1_800 },
  { what: 'Solid', code: everything('@belfry/solid'), besides: bound, external: ['solid-js'], limit: 1_400 },
];

/** The bytes of the entry and of all it loads at once, or of one lazy chunk. */
async function measure({ code, external = [], chunk }) {
  const bundle = await rolldown({
    input: 'entry',
    platform: 'browser',
    cwd: web,
    // As in an application: what lazy chunks share with the entry stays in it, and is no file of its own.
    preserveEntrySignatures: 'allow-extension',
    external: (id) => external.some((name) => id === name || id.startsWith(`${name}/`)),
    plugins: [
      { name: 'entry', resolveId: (id) => (id === 'entry' ? id : null), load: (id) => (id === 'entry' ? code : null) },
    ],
  });
  const { output } = await bundle.generate({ format: 'esm', minify: true, comments: false });
  await bundle.close();
  const named = new Map(output.map((file) => [file.fileName, file]));
  const wanted = chunk
    ? output.filter((file) => file.name === chunk)
    : reached(
        named,
        output.find((file) => file.isEntry),
      );
  if (wanted.length === 0) throw new Error(`there is no chunk \`${chunk}\``);
  return wanted.reduce((sum, file) => sum + gzipSync(file.code, { level: constants.Z_BEST_COMPRESSION }).length, 0);
}

function reached(named, file, seen = new Set()) {
  if (!file || seen.has(file)) return [];
  seen.add(file);
  for (const name of file.imports) reached(named, named.get(name), seen);
  return [...seen];
}

const report = process.argv.includes('--report');
let over = 0;
for (const budget of budgets) {
  const { besides = '' } = budget;
  const page = await measure({ ...budget, code: besides + budget.code });
  const bytes = besides ? page - (await measure({ ...budget, code: besides })) : page;
  const fits = bytes <= budget.limit;
  over += fits ? 0 : 1;
  console.log(
    `${budget.what.padEnd(24)}${String(bytes).padStart(7)} of ${String(budget.limit).padStart(6)} bytes${fits ? '' : '  too large'}`,
  );
}
if (over > 0 && !report) {
  console.error(`${over} over the limit: see who imports what, before the limit is moved`);
  process.exitCode = 1;
}
