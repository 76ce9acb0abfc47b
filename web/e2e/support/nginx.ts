/** nginx between the browser and the site, with its own rules about connections that are silent. */

import { spawn } from 'node:child_process';
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './wait.js';

const BINARY = process.env['NGINX'] ?? '/usr/sbin/nginx';

/** Whether it is on this machine. */
export const nginxIsThere: boolean = await access(BINARY).then(
  () => true,
  () => false,
);

/** A running nginx. */
export interface Nginx extends AsyncDisposable {
  readonly url: string;
}

/** Starts it on the port `own`. `timeoutSeconds` takes the place of its 60 seconds without a byte. */
export async function startNginx(own: number, port: number, timeoutSeconds: number): Promise<Nginx> {
  const folder = await mkdtemp(join(tmpdir(), 'belfry-nginx-'));
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  await writeFile(
    join(folder, 'nginx.conf'),
    `daemon off;
pid nginx.pid;
error_log stderr error;
events {}
http {
  access_log off;
  ${temporary.map((name) => `${name}_temp_path ${name};`).join('\n  ')}
  map $http_upgrade $onward { default upgrade; "" ""; }
  server {
    listen 127.0.0.1:${own};
    location / {
      proxy_pass http://127.0.0.1:${port};
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $onward;
      proxy_read_timeout ${timeoutSeconds}s;
      proxy_send_timeout ${timeoutSeconds}s;
    }
  }
}
`,
  );
  const child = spawn(BINARY, ['-p', folder, '-c', join(folder, 'nginx.conf')], { stdio: 'ignore' });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const url = `http://127.0.0.1:${own}`;
  await until('nginx answers', () =>
    fetch(`${url}/page.css`).then(
      ({ ok }) => ok,
      () => false,
    ),
  );
  return {
    url,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
