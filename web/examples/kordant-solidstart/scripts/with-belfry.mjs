// Starts Belfry with this example's kinds and, once it listens, the application. With `BELFRY_URL` set, that Belfry is
// used and none is started.

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { run } from './on-node-24.mjs';

const here = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const data = process.env.KORDANT_DATA ?? here('.data');

/** Both sides sign and verify with it: the application makes the tokens, Belfry reads them. */
function sharedSecret() {
  const file = `${data}/session-secret`;
  mkdirSync(data, { recursive: true });
  if (!existsSync(file)) writeFileSync(file, randomBytes(32).toString('base64url'), { mode: 0o600 });
  return readFileSync(file, 'utf8').trim();
}

/** Resolves with its address when it says that it listens. */
function startBelfry(secret) {
  const binary = process.env.BELFRY_BIN ?? here('../../../target/debug/belfry');
  if (!existsSync(binary)) {
    console.error(`There is no server at ${binary}. Run \`cargo build\` in the repository, or set BELFRY_BIN.`);
    process.exit(1);
  }
  const args = ['dev', '--listen', process.env.BELFRY_LISTEN ?? '127.0.0.1:8787', '--data-dir', `${data}/belfry`];
  const belfry = spawn(binary, [...args, '--kinds', here('kinds')], {
    cwd: data,
    env: { ...process.env, BELFRY_JWT_SECRET: secret },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  process.once('exit', () => belfry.kill());
  return new Promise((resolve) => {
    let said = '';
    belfry.stdout.on('data', (piece) => {
      said += piece;
      const url = /running on (http:\/\/\S+)/.exec(said)?.[1];
      if (url !== undefined) resolve(url);
    });
    belfry.once('exit', (code) => {
      console.error(`Belfry ended (${code}).\n${said}`);
      process.exit(1);
    });
  });
}

const env = { ...process.env };
if (env.BELFRY_URL === undefined) {
  env.KORDANT_SESSION_SECRET = sharedSecret();
  env.BELFRY_URL = await startBelfry(env.KORDANT_SESSION_SECRET);
  env.BELFRY_API_KEY = readFileSync(`${data}/belfry/api-key`, 'utf8').trim();
  console.log(`Belfry: ${env.BELFRY_URL}`);
}
const application = run(process.argv.slice(2), env);
process.once('exit', () => application.kill());
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => application.kill(signal));
application.on('exit', (code) => process.exit(code ?? 0));
