import type { APIEvent } from '@solidjs/start/server';
import { personOf } from '~/family';
import { raise } from '~/server/alerts';
import { isOurs, viewerOf } from '~/server/session';
import { services } from '~/services';

/** Lets one of the services find something about a member of the viewer's family. */
export async function POST({ request }: APIEvent): Promise<Response> {
  const viewer = viewerOf(request);
  if (viewer === null || !isOurs(request)) return Response.json({ error: 'sign in first' }, { status: 401 });
  const { service: name, subject: id } = (await request.json()) as { service?: string; subject?: string };
  const service = services.find((one) => one.name === name);
  const subject = personOf(id);
  if (service === undefined || subject?.family !== viewer.family) {
    return Response.json({ error: 'no such service, or nobody of your family' }, { status: 422 });
  }
  const receipt = await raise(service, subject);
  return Response.json({ id: receipt.id, recipients: receipt.recipients }, { status: 201 });
}
