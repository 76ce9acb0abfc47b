// @vitest-environment happy-dom
import { describe, expect, it, vi } from 'vitest';
import { freshPage, pageClient, part, parts, place, settle, toastRegion } from './page.js';

freshPage();

const region = toastRegion;

/** A modal dialog as this DOM, which knows no `:modal`, can have one. */
function openDialog(): HTMLDialogElement {
  const dialog = document.body.appendChild(document.createElement('dialog'));
  dialog.setAttribute('open', '');
  const query = document.querySelectorAll.bind(document);
  vi.spyOn(document, 'querySelectorAll').mockImplementation((selector: string) =>
    selector === 'dialog:modal' ? query('dialog[open]') : query(selector),
  );
  return dialog;
}

it('two live regions are there before the first toast', () => {
  pageClient();
  place('belfry-toasts');
  expect(part(region(), 'polite').getAttribute('role')).toBe('status');
  expect(part(region(), 'assertive').getAttribute('role')).toBe('alert');
});

it('what was said is gone a little later, so that nobody stumbles over it', () => {
  const client = pageClient();
  place('belfry-toasts');
  client.receive('job-completed', {}, { title: 'Done' });
  vi.advanceTimersByTime(6_000);
  expect(part(region(), 'polite').childElementCount).toBe(0);
});

describe('libraries that hide all but their dialog leave it alone', () => {
  it.each([
    ['aria-hidden of Radix', '[aria-live]'],
    ['React Aria', '[data-live-announcer], [data-react-aria-top-layer]'],
    ['Kobalte', '[data-kb-top-layer]'],
  ])('%s', (_name, selector) => {
    pageClient();
    place('belfry-toasts');
    expect(region().matches(selector)).toBe(true);
    expect(region().getAttribute('aria-live')).toBe('off');
  });
});

describe('a modal dialog', () => {
  it('takes the region in while it is open, and the region goes home afterwards', () => {
    const client = pageClient();
    const element = place('belfry-toasts');
    client.receive('job-completed', {}, { title: 'Done' });
    const dialog = openDialog();
    dialog.dispatchEvent(new Event('toggle'));
    expect(region().parentElement).toBe(dialog);
    expect(parts(region(), 'toast')).toHaveLength(1);
    dialog.removeAttribute('open');
    dialog.dispatchEvent(new Event('close'));
    expect(region().parentElement).toBe(element);
  });

  it('is found by the clock where it tells nobody that it opened', () => {
    const client = pageClient();
    place('belfry-toasts');
    client.receive('job-completed', {}, { title: 'Done' });
    const dialog = openDialog();
    vi.advanceTimersByTime(250);
    expect(region().parentElement).toBe(dialog);
  });

  it('that is taken off the page does not take the toasts along', async () => {
    const client = pageClient();
    const element = place('belfry-toasts');
    client.receive('job-completed', {}, { title: 'Done' });
    const dialog = openDialog();
    dialog.dispatchEvent(new Event('toggle'));
    dialog.remove();
    await settle();
    expect(region().parentElement).toBe(element);
    expect(parts(region(), 'toast')).toHaveLength(1);
  });

  it('is entered by `moveBefore`, which keeps focus and animations', () => {
    const client = pageClient();
    place('belfry-toasts');
    client.receive('job-completed', {}, { title: 'Done' });
    const dialog = openDialog();
    const moveBefore = vi.fn((node: Node) => dialog.append(node));
    Object.assign(dialog, { moveBefore });
    dialog.dispatchEvent(new Event('toggle'));
    expect(moveBefore).toHaveBeenCalledTimes(1);
    expect(region().parentElement).toBe(dialog);
  });

  it('leaves the element of the page where a framework put it', () => {
    const client = pageClient();
    const element = place('belfry-toasts');
    const dialog = openDialog();
    client.receive('job-completed', {}, { title: 'Done' });
    expect(region().parentElement).toBe(dialog);
    expect(element.parentElement).toBe(document.body);
  });

  it('does not keep the region when the element leaves meanwhile', async () => {
    const client = pageClient();
    const element = place('belfry-toasts');
    openDialog();
    client.receive('job-completed', {}, { title: 'Done' });
    element.remove();
    await settle();
    expect(document.querySelector('belfry-toast-region')).toBeNull();
  });
});
