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

/** Sets attributes, and listeners that listen until the signal aborts. */
export function set(node: Element, props: Props, signal?: AbortSignal): void {
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === 'function') node.addEventListener(name, value as EventListener, signal && { signal });
    else if (value === null || value === undefined || value === false) node.removeAttribute(name);
    else node.setAttribute(name, value === true ? '' : String(value));
  }
}

/** Tells whoever listens, through shadow roots; `false`: somebody took it over. */
export function emit(from: EventTarget, name: string, detail: unknown): boolean {
  return from.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true, cancelable: true }));
}
