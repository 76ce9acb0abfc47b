import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

// An application as pnpm lays it out: it depends on one binding, and the client is out of its sight.

const packages = new URL('../..', import.meta.url).pathname;
let app = '';

/** What `belfry types` writes. */
const KINDS = `
export {};

export type DealNotificationData = { message?: string, deals: Array<{ item_name: string }> };

declare global {
  interface BelfryKinds {
    "deal-notification": DealNotificationData;
    "job-completed": { job_id: string };
  }
  interface BelfryEvents {
    "notification:deal": DealNotificationData;
    "shop:job": { job_id: string };
  }
}
`;

beforeAll(() => {
  app = realpathSync(mkdtempSync(join(tmpdir(), 'belfry-kinds-')));
  const store = (name: string): string => join(app, 'node_modules/.pnpm', name, 'node_modules/@belfry');
  for (const name of ['protocol', 'client']) {
    const home = join(store(name), name);
    mkdirSync(home, { recursive: true });
    for (const part of ['package.json', 'dist'])
      cpSync(join(packages, name, part), join(home, part), { recursive: true });
  }
  symlinkSync(join(store('protocol'), 'protocol'), join(store('client'), 'protocol'));
  // A binding: it takes its client from the store, the application sees the binding alone.
  const binding = join(store('binding'), 'binding');
  mkdirSync(binding, { recursive: true });
  symlinkSync(join(store('client'), 'client'), join(store('binding'), 'client'));
  const manifest = { name: '@belfry/binding', version: '1.0.0', type: 'module', exports: './index.d.ts' };
  writeFileSync(join(binding, 'package.json'), JSON.stringify(manifest));
  writeFileSync(
    join(binding, 'index.d.ts'),
    `import type { Client } from '@belfry/client';\nexport declare function useClient(): Client;\nexport type * from '@belfry/client';\n`,
  );
  mkdirSync(join(app, 'node_modules/@belfry'), { recursive: true });
  symlinkSync(binding, join(app, 'node_modules/@belfry/binding'));
});
afterAll(() => rmSync(app, { recursive: true, force: true }));

/** What the compiler says of these files: file and code. */
function compile(files: Record<string, string>): string[] {
  const names = Object.entries(files).map(([name, text]) => {
    const path = join(app, 'src', name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return path;
  });
  const options: ts.CompilerOptions = {
    strict: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    skipLibCheck: false,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    target: ts.ScriptTarget.ES2022,
    types: [],
  };
  return ts.getPreEmitDiagnostics(ts.createProgram(names, options)).map(({ file, code, start = 0, messageText }) => {
    const line = file ? file.getLineAndCharacterOfPosition(start).line + 1 : 0;
    const text = ts.flattenDiagnosticMessageText(messageText, ' ');
    return `${file?.fileName.slice(app.length + 5)}:${line} TS${code} ${text.slice(0, 60)}`;
  });
}

describe('an application’s kinds', { timeout: 60_000 }, () => {
  it('are any name with any object where none are declared', () => {
    const problems = compile({
      'plain.ts': `
        import { type AnyAlert, useClient } from '@belfry/binding';
        const client = useClient();
        client.on('deal-notification', (alert) => { const title: string = alert.title; void title; void alert.data['deals']; });
        client.on('notification:deal', (data, alert) => { void data['message']; void alert.id; });
        const alerts: readonly AnyAlert[] = client.alerts.get();
        void client.markRead([...alerts]);
      `,
    });
    expect(problems).toEqual([]);
  });

  it('are typed through a binding, and the file that declares them hides no module', () => {
    const problems = compile({
      'kinds.ts': KINDS,
      'typed.ts': `
        import { type Alert, type AnyAlert, type ClientOptions, useClient } from '@belfry/binding';
        import type { DealNotificationData } from './kinds.js';
        const client = useClient();
        client.on('deal-notification', (alert) => { const name: string | undefined = alert.data.deals[0]?.item_name; void name; });
        client.on('notification:deal', (data, alert) => { const same: DealNotificationData = data; void same; void alert.kind; });
        client.on('shop:job', ({ job_id }) => { const id: string = job_id; void id; });
        for (const alert of client.alerts.get()) if (alert.kind === 'job-completed') { const id: string = alert.data.job_id; void id; }
        const options: ClientOptions = {}; void options;
        const one = (alert: Alert<'deal-notification'>): AnyAlert => alert; void one;
      `,
    });
    expect(problems).toEqual([]);
  });

  it('that are misspelt are refused, line by line', () => {
    const problems = compile({
      'kinds.ts': KINDS,
      'typos.ts': [
        `import { useClient } from '@belfry/binding';`,
        `const client = useClient();`,
        `client.on('deal-notificatio', () => {});`,
        `client.on('notification:deals', () => {});`,
        `client.on('deal-notification', (alert) => void alert.data.deal);`,
        `client.list({ kinds: ['job-complete'] });`,
      ].join('\n'),
    });
    expect(problems.map((problem) => problem.split(' ').slice(0, 2).join(' '))).toEqual([
      'typos.ts:3 TS2769',
      'typos.ts:4 TS2769',
      'typos.ts:5 TS2551',
      'typos.ts:6 TS2820',
    ]);
  });
});
