/** The people of the demo. A real application has them in its database. */

export interface Person {
  readonly id: string;
  readonly name: string;
  readonly role: string;
  /** The group in Belfry: who is told when something concerns one of them. */
  readonly family: string;
  /** Of the initials' background, in degrees. */
  readonly hue: number;
}

export const people: readonly Person[] = [
  { id: 'ann', name: 'Ann', role: 'Parent', family: 'family-7', hue: 172 },
  { id: 'bob', name: 'Bob', role: 'Parent', family: 'family-7', hue: 256 },
  { id: 'cleo', name: 'Cleo', role: 'Daughter, 15', family: 'family-7', hue: 330 },
  { id: 'dora', name: 'Dora', role: 'Grandmother', family: 'family-7', hue: 38 },
  { id: 'emil', name: 'Emil', role: 'Another family', family: 'family-9', hue: 210 },
];

export function personOf(id: string | null | undefined): Person | undefined {
  return people.find((person) => person.id === id);
}

export function familyOf(person: Person): readonly Person[] {
  return people.filter((other) => other.family === person.family);
}
