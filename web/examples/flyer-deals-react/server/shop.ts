/** What the shop remembers while it runs: people with their watch lists, and the flyers that are out. */

import { readFile } from 'node:fs/promises';
import { type Flyer, sameItem, type Watched } from './flyers.js';

/** Somebody with an account. */
export interface Person {
  readonly id: string;
  readonly name: string;
  readonly email: string;
  readonly locale: string;
  readonly time_zone: string;
  watched: readonly Watched[];
}

/** A piece of work that went on after its request was answered. */
export interface Job {
  readonly id: string;
  readonly user: string;
  readonly name: string;
  status: 'running' | 'succeeded' | 'failed';
  message: string;
  finished_at: string | null;
}

/** In the memory of one process: a real shop has a database here. */
export class Shop {
  readonly people: ReadonlyMap<string, Person>;
  readonly jobs = new Map<string, Job>();
  /** Tells this start of the shop from others: the count of flyers begins anew with it. */
  readonly edition: string = Date.now().toString(36);
  readonly #flyers: readonly Flyer[];
  /** Flyers that are out, counted over the weeks: the first flyer of week 2 follows the last one of week 1. */
  #out = 0;
  #looked = 0;

  constructor(people: readonly Person[], flyers: readonly Flyer[]) {
    this.people = new Map(people.map((person) => [person.id, person]));
    this.#flyers = flyers;
  }

  /** Reads the data files that come with the example. */
  static async open(folder: URL): Promise<Shop> {
    const read = async (name: string): Promise<unknown> => JSON.parse(await readFile(new URL(name, folder), 'utf8'));
    return new Shop((await read('people.json')) as Person[], (await read('flyers.json')) as Flyer[]);
  }

  /** The flyers that are out now: of each store the newest. */
  get current(): readonly Flyer[] {
    return this.#flyers.slice(0, Math.min(this.#out, this.#flyers.length));
  }

  /** A store brings its next flyer. */
  release(): Flyer | null {
    const flyer = this.#flyers[this.#out % this.#flyers.length] ?? null;
    if (flyer !== null) this.#out += 1;
    return flyer;
  }

  /** The flyers that nobody has looked through yet, with a number that tells this time from every other. */
  takeNew(): { readonly round: number; readonly flyers: readonly Flyer[] } {
    const from = Math.max(this.#looked, this.#out - this.#flyers.length);
    const flyers = Array.from({ length: this.#out - from }, (_, n) => this.#flyers[(from + n) % this.#flyers.length]);
    this.#looked = this.#out;
    return { round: this.#out, flyers: flyers.filter((flyer) => flyer !== undefined) };
  }

  /** Adds to a person's list; a known item gets the new price. */
  watch(person: Person, items: readonly Watched[]): void {
    const kept = person.watched.filter((old) => !items.some((item) => sameItem(item.item_name, old.item_name)));
    person.watched = [...kept, ...items];
  }

  unwatch(person: Person, item: string): void {
    person.watched = person.watched.filter(({ item_name }) => !sameItem(item_name, item));
  }
}
