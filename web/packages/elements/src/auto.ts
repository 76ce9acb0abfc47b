/**
 * For pages without a build step: `<script type="module" src="/sdk/auto.js">` makes all elements known and gives them a
 * client: that of the first `<belfry-client>` without a name, else one for the server that this file came from.
 */

import { type Client, createClient } from '@belfry/client';
import { BelfryClient } from './client-element.js';
import { findClient, setClient } from './clients.js';
import { emit } from './dom.js';
import { defineBelfryElements } from './index.js';
import { translations } from './strings/load.js';
import { setStrings } from './strings.js';

/** The page's client. */
export const client: Client = await begin();

async function begin(): Promise<Client> {
  const { lang } = document.documentElement;
  const strings = await translations(lang || navigator.language);
  if (strings) setStrings(strings.strings, strings.lang);
  defineBelfryElements().catch(() => {});
  const made = document.querySelector<BelfryClient>(`${BelfryClient.tag}:not([name])`)?.client;
  if (made) return made;
  const own = findClient() ?? plain();
  setClient(own);
  emit(document, 'belfry-ready', { client: own });
  return own;
}

/** `<meta name="belfry:user" content="ann">` says who is signed in; empty: nobody; missing: the cookie knows. */
function plain(): Client {
  const user = document.querySelector<HTMLMetaElement>('meta[name="belfry:user"]')?.content;
  // In one expression with `new URL` bundlers would take it for a file to copy.
  const here = import.meta.url;
  return createClient({ url: new URL('..', here), ...(user !== undefined && { user: user || null }) });
}

export * from './index.js';
