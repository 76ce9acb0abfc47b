// Whether each package, as it would be published, is found and typed by those who install it.

import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

const web = new URL('..', import.meta.url).pathname;
const checks = [
  (folder) => ['publint', [folder, '--strict']],
  // ESM only, and found by `exports`: what knew neither is not asked.
  (folder) => ['attw', ['--pack', folder, '--profile', 'esm-only', '--format', 'ascii', '--no-emoji', '--no-color']],
];

let failed = 0;
for (const name of readdirSync(join(web, 'packages'), { withFileTypes: true })) {
  if (!name.isDirectory()) continue;
  for (const check of checks) {
    const [program, args] = check(join('packages', name.name));
    const ran = spawnSync(join(web, 'node_modules', '.bin', program), args, { cwd: web, encoding: 'utf8' });
    if (ran.status === 0) continue;
    failed += 1;
    console.error(`${program} ${name.name}\n${ran.stdout}${ran.stderr}`);
  }
}
if (failed > 0) process.exitCode = 1;
else console.log('the packages are found and typed by those who install them');
