/** Nodes without markup: text is always text, so nothing that an alert says can become an element. */

/** What stands inside a node. Nothing stands for nothing, so that a child can depend on a condition. */
export type Child = Node | string | null | undefined | false;

/** Attributes; a function listens to the event of that name. `true` is the bare attribute; `false`, `null` and nothing are none. */
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
    else if (value === null || value === undefined || value === false) node.removeAttribute(name);
    else node.setAttribute(name, value === true ? '' : String(value));
  }
}

/** What has the focus in a root. There is a DOM for tests that throws while the focus is in another root. */
export function focusIn(root: ShadowRoot | null): Element | null {
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

/** Whether a key is held that gives a click or another key a meaning of its own. */
export function modified({ ctrlKey, metaKey, shiftKey, altKey }: KeyboardEvent | MouseEvent): boolean {
  return ctrlKey || metaKey || shiftKey || altKey;
}
