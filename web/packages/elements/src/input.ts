/** What a person is doing: where the focus is, which keys are held. */

/** What has the focus in a root. There is a DOM for tests that throws while the focus is in another root. */
export function focusIn(root: ShadowRoot | null): Element | null {
  try {
    return root?.activeElement ?? null;
  } catch {
    return null;
  }
}

/** Whether a key is held that gives a click or another key a meaning of its own. */
export function modified({ ctrlKey, metaKey, shiftKey, altKey }: KeyboardEvent | MouseEvent): boolean {
  return ctrlKey || metaKey || shiftKey || altKey;
}
