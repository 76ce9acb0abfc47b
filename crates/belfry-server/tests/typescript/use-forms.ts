import type { AnyFormsData, Leaf, Node, PlainData } from './kinds.js';
import { on, publish } from './sdk.js';

const leaf: Leaf = { 'dash-ed': 1 };
const tree: Node = { name: 'root', children: [{ name: 'a', children: [] }] };
const forms: AnyFormsData = {
  tree,
  pair: ['x', 1, true],
  either: { left: 1 },
  both: { a: 'a', b: 1 },
  literal: { deep: [1, 'two', null] },
  map: { any: 1, other: 2 },
  counted: { total: 1, more: 2 },
  nothing: null,
  leaf,
};
publish('any-forms', forms);
publish('any-forms', { ...forms, either: { right: 'r' }, pair: ['x'] });
publish('plain', { whatever: 1 });
const plain: PlainData = { x: [1] };
on('plain', (data) => void data['x']);
on('quo"ted\\kind', (data) => void data);
void plain;

// @ts-expect-error neither form
publish('any-forms', { ...forms, either: {} });
// @ts-expect-error half of both
publish('any-forms', { ...forms, both: { a: 'a' } });
// @ts-expect-error the tuple's first is a text
publish('any-forms', { ...forms, pair: [1] });
// @ts-expect-error the map holds numbers
publish('any-forms', { ...forms, map: { any: 'x' } });
// @ts-expect-error the literal differs
publish('any-forms', { ...forms, literal: { deep: [1, 'three', null] } });
// @ts-expect-error a child is a node too
publish('any-forms', { ...forms, tree: { name: 'root', children: [{ nme: 'a', children: [] }] } });
