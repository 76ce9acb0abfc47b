/** What the environment says, and where it says nothing, what `belfry dev` made for itself. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What the shop needs to know. */
export interface Settings {
  readonly port: number;
  readonly jwtSecret: string;
  readonly belfry: { readonly url: string; readonly apiKey: string };
  /** Pages from `dist`; in development Vite serves them. */
  readonly pages: boolean;
  readonly secureCookies: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** `BELFRY_URL`, `BELFRY_API_KEY` and `JWT_SECRET`, else what lies in the data folder of a running `belfry dev`. */
export async function settingsFrom(environment: Environment): Promise<Settings> {
  const folder = environment['BELFRY_DATA_DIR'] ?? '../../../belfry-data';
  const inFolder = async (name: string): Promise<string> => {
    try {
      return (await readFile(join(folder, name), 'utf8')).trim();
    } catch {
      throw new Error(`Start \`belfry dev\` first, or set BELFRY_URL, BELFRY_API_KEY and JWT_SECRET (no ${name}).`);
    }
  };
  const secretOfDev = async (): Promise<string> =>
    /^jwt_secret = "(.+)"$/m.exec(await inFolder('dev-keys.toml'))?.[1] ?? '';
  return {
    port: Number(environment['PORT'] ?? 3_000),
    jwtSecret: environment['JWT_SECRET'] ?? (await secretOfDev()),
    belfry: {
      url: environment['BELFRY_URL'] ?? (await inFolder('dev-url')),
      apiKey: environment['BELFRY_API_KEY'] ?? (await inFolder('api-key')),
    },
    pages: environment['NODE_ENV'] === 'production',
    secureCookies: environment['SECURE_COOKIES'] === 'true',
  };
}
