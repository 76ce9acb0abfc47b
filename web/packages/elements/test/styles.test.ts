// @vitest-environment happy-dom
import { expect, it, vi } from 'vitest';
import { adopt } from '../src/styles.js';
import { freshPage, pageClient, part, place } from './page.js';

freshPage();

const root = (): ShadowRoot => document.createElement('div').attachShadow({ mode: 'open' });

it('elements share one constructed sheet, and need no style element', () => {
  const [one, two] = [root(), root()];
  adopt(one, 'a{}', 'b{}');
  adopt(two, 'b{}');
  adopt(one, 'b{}');
  expect(one.adoptedStyleSheets).toHaveLength(2);
  expect(two.adoptedStyleSheets[0]).toBe(one.adoptedStyleSheets[1]);
  expect(one.querySelector('style')).toBeNull();
});

it('without constructed sheets a style element takes the nonce of the page, and stays through a redraw', () => {
  const script = document.head.appendChild(document.createElement('script'));
  script.setAttribute('nonce', 'abc');
  script.nonce = 'abc';
  vi.stubGlobal('CSSStyleSheet', undefined);
  const shadow = root();
  adopt(shadow, 'c{}');
  expect(shadow.querySelector('style')?.nonce).toBe('abc');
  expect(shadow.querySelector('style')?.textContent).toBe('c{}');
  script.remove();
});

it('an element without constructed sheets keeps its style', () => {
  vi.stubGlobal('CSSStyleSheet', undefined);
  const client = pageClient({ unread: 1 });
  const sound = place('belfry-sound');
  client.setSound(false);
  // The texts of this element were constructed before: another text is not.
  expect(part(sound, 'setting').getAttribute('aria-checked')).toBe('false');
});

it('no style is written into an element that a strict policy would refuse', () => {
  const client = pageClient({ unread: 1 });
  place('belfry-toasts');
  client.receive('job-completed', {}, { title: 'Done' });
  const region = document.querySelector('belfry-toast-region');
  expect(region?.shadowRoot?.querySelectorAll('[style],[onclick]')).toHaveLength(0);
});
