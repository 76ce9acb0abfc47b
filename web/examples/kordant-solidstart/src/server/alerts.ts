/** From a service's finding to the family: one publish. */

import 'server-only';
import { createPublisher, type Publisher, type Receipt } from '@belfry/node';
import { familyOf, type Person } from '../family';
import type { AnyService, Service } from '../services';

let publisher: Publisher | undefined;

/** Made at the first use: a build has no Belfry. */
export function alerts(): Publisher {
  publisher ??= createPublisher();
  return publisher;
}

/** Describes a person to Belfry, and keeps their family's group as it is. */
export async function introduce(person: Person): Promise<void> {
  await alerts().putUser(person.id, { name: person.name, email: `${person.id}@example.com`, locale: 'en' });
  await alerts().putGroup(
    person.family,
    familyOf(person).map((member) => member.id),
  );
}

/** A service found something about this person: it tells their family, or them alone. */
export async function raise(service: AnyService, subject: Person): Promise<Receipt> {
  // One service of its kind is like any other: what it finds fits its kind.
  const alert = (service as Service).find(subject);
  return service.tells === 'family'
    ? await alerts().publishToGroup(subject.family, alert)
    : await alerts().publishAlert(subject.id, alert);
}
