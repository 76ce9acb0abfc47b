/** Children in order, without touching those that stand where they belong. */

/** Makes these the children, in this order; what stays where it is keeps focus and scroll. */
export function sync(parent: Element, nodes: readonly Element[]): void {
  const wanted = new Set(nodes);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  nodes.forEach((node, at) => {
    const there = parent.children[at] ?? null;
    if (there !== node) parent.insertBefore(node, there);
  });
}
