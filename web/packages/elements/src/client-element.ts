/** `<belfry-client>`: the client of a page that has no script of its own. */

import { type Client, type ClientOptions, createClient, type TokenRequest } from '@belfry/client';
import { setClient } from './clients.js';
import { emit } from './dom.js';
import { PageElement } from './element.js';

/** What `belfry-ready` says. */
export interface ReadyDetail {
  readonly client: Client;
}

/** Makes a client from its attributes, and gives it to every element of the page, or with `name` to those that name it. */
export class BelfryClient extends PageElement {
  static readonly tag: string = 'belfry-client';
  static readonly observedAttributes: readonly string[] = ['user'];
  #client: Client | null = null;

  /** The client, from the first time on the page until it leaves it. */
  get client(): Client | null {
    return this.#client;
  }

  connectedCallback(): void {
    if (this.#client) return;
    const client = createClient(this.#options());
    this.#client = client;
    client.hold();
    setClient(client, this.#name);
    emit(this, 'belfry-ready', { client } satisfies ReadyDetail);
  }

  /** `moveBefore` keeps it. */
  connectedMoveCallback(): void {}

  disconnectedCallback(): void {
    queueMicrotask(() => {
      if (this.isConnected || !this.#client) return;
      setClient(null, this.#name);
      this.#client.dispose();
      this.#client = null;
    });
  }

  /** Somebody else, or with an empty value nobody. */
  attributeChangedCallback(_name: string, before: string | null, now: string | null): void {
    if (this.#client && before !== now) void this.#client.identify(now || null);
  }

  get #name(): string {
    return this.getAttribute('name') ?? '';
  }

  #options(): ClientOptions {
    const url = this.getAttribute('url');
    const user = this.getAttribute('user');
    const scope = this.getAttribute('scope') ?? this.#name;
    const tokenUrl = this.getAttribute('token-url');
    return {
      ...(url && { url }),
      ...(user !== null && { user: user || null }),
      ...(scope && { scope }),
      ...(tokenUrl && { token: (request) => fetchToken(tokenUrl, request) }),
    };
  }
}

/** Asks the page's own back end: `{"token": "…"}`; 401 and 403 mean that nobody is signed in. */
async function fetchToken(url: string, { signal }: TokenRequest): Promise<string | null> {
  const answer = await fetch(url, { credentials: 'same-origin', cache: 'no-store', signal });
  if ([401, 403].includes(answer.status)) return null;
  if (!answer.ok) throw new Error(`\`${url}\` answered ${answer.status} instead of a token`);
  const { token } = (await answer.json()) as { token?: string | null };
  return token ?? null;
}
