// @vitest-environment happy-dom
import { expect, it, vi } from 'vitest';
import { click, freshPage, pageClient, part, parts, place, toastRegion } from './page.js';

freshPage();

it('in a DOM for tests, which lacks much, every element can be placed and used', () => {
  vi.stubGlobal('IntersectionObserver', undefined);
  vi.stubGlobal('CSSStyleSheet', undefined);
  vi.stubGlobal('matchMedia', undefined);
  const query = document.querySelectorAll.bind(document);
  vi.spyOn(document, 'querySelectorAll').mockImplementation((selector: string) => {
    if (selector.includes(':modal')) throw new SyntaxError(`unknown pseudo-class selector ${selector}`);
    return query(selector);
  });
  Object.assign(HTMLElement.prototype, { checkVisibility: undefined });
  const client = pageClient({ preferences: { default: {}, categories: {} } });
  for (const tag of ['connection', 'do-not-disturb', 'inbox', 'preferences', 'push-prompt', 'sound', 'toasts'] as const)
    place(`belfry-${tag}`);
  const bell = place('belfry-bell');
  client.receive('job-completed', {}, { title: 'Done' });
  const region = toastRegion();
  expect(parts(region, 'toast')).toHaveLength(1);
  bell.reveal();
  expect(part(bell, 'button').getAttribute('aria-expanded')).toBe('true');
  click(part(region, 'close'));
  expect(parts(region, 'toast')).toHaveLength(0);
  Reflect.deleteProperty(HTMLElement.prototype, 'checkVisibility');
});
