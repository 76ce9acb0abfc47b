// Writes src/kinds.ts from the kind files: what `belfry types` prints.

import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const here = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const binary = process.env.BELFRY_BIN ?? here('../../../target/debug/belfry');
const { status, stdout, stderr } = spawnSync(binary, ['types'], {
  env: { ...process.env, BELFRY_KINDS_DIR: here('kinds') },
  encoding: 'utf8',
});
if (status === 0) writeFileSync(here('src/kinds.ts'), stdout);
else console.error(stderr);
process.exitCode = status ?? 1;
