/** Nodes without markup: text is always text, so nothing that an alert says can become an element. */

/** What stands inside a node. Nothing stands for nothing, so that a child can depend on a condition. */
export type Child = Node | string | null | undefined | false;

/**
 * Attributes; a function listens to the event of that name. `null` is none; `true` and `false` are the bare attribute and
 * none, but words where ARIA wants words.
 */
export type Props = { readonly [name: string]: unknown };

/** Makes an element. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Props = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  set(node, props);
  for (const child of children) if (child) node.append(child);
  return node;
}

/** Sets attributes and listeners. */
export function set(node: Element, props: Props): void {
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === 'function') node.addEventListener(name, value as EventListener);
    else if (value === null || value === undefined || (value === false && !name.startsWith('aria')))
      node.removeAttribute(name);
    else node.setAttribute(name, value === true && !name.startsWith('aria') ? '' : String(value));
  }
}

/** Makes these the children, in this order, and leaves alone what stands where it belongs: focus and scroll survive. */
export function sync(parent: Element, nodes: readonly Element[]): void {
  const wanted = new Set(nodes);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  nodes.forEach((node, at) => {
    const there = parent.children[at] ?? null;
    if (there !== node) parent.insertBefore(node, there);
  });
}

/** What has the focus in a root. There is a DOM for tests that throws while the focus is in another root. */
export function focusIn(root: ShadowRoot | null | undefined): Element | null {
  try {
    return root?.activeElement ?? null;
  } catch {
    return null;
  }
}

/** Tells whoever listens, through shadow roots; `false`: somebody took it over. */
export function emit(from: EventTarget, name: string, detail: unknown): boolean {
  return from.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true, cancelable: true }));
}
