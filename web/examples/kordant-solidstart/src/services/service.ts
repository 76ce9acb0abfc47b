/** What the five services have in common. */

import type { Kind, NewAlert } from '@belfry/node';
import type { Person } from '../family';

export interface Service<K extends Kind = Kind> {
  /** As the kind's data has it. */
  readonly name: BelfryKinds[K]['service'];
  readonly kind: K;
  /** What it watches, in one sentence. */
  readonly watches: string;
  /** Who is told: the whole family, or the person it is about. */
  readonly tells: 'family' | 'person';
  /** What it found, for this demo: a real service would hear of it from elsewhere. */
  find(subject: Person): NewAlert<K>;
}

/** What every finding says. */
export function finding(subject: Person): { subject: string; subject_id: string; detected_at: string } {
  return { subject: subject.name, subject_id: subject.id, detected_at: new Date().toISOString() };
}

export function oneOf<T>(choices: readonly [T, ...T[]]): T {
  return choices[Math.floor(Math.random() * choices.length)] ?? choices[0];
}
