/** What the process was started with. */

import 'server-only';

function needed(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === '') throw new Error(`${name} is not set: see the README`);
  return value;
}

/** Signs the tokens that Belfry verifies: there it is `BELFRY_JWT_SECRET`. */
export const sessionSecret = (): string => needed('KORDANT_SESSION_SECRET');
