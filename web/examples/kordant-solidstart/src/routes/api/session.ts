import type { APIEvent } from '@solidjs/start/server';
import { personOf } from '~/family';
import { introduce } from '~/server/alerts';
import { isOurs, sessionCookie, viewerOf } from '~/server/session';

/** Signs in with a name: this is a demo, there are no passwords. Without one it signs out. */
export async function POST({ request }: APIEvent): Promise<Response> {
  if (!isOurs(request)) return new Response('not from here', { status: 403 });
  const form = await request.formData();
  const person = personOf(String(form.get('person') ?? '')) ?? null;
  if (person !== null) await introduce(person);
  const headers = { location: person === null ? '/' : '/dashboard', 'set-cookie': sessionCookie(person, request) };
  return new Response(null, { status: 303, headers });
}

/** Renews the cookie of whoever is still signed in. */
export function PUT({ request }: APIEvent): Response {
  const viewer = viewerOf(request);
  if (viewer === null || !isOurs(request)) return new Response(null, { status: 401 });
  return new Response(null, { status: 204, headers: { 'set-cookie': sessionCookie(viewer, request) } });
}
