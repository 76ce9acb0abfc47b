// @vitest-environment happy-dom
import type { AnyAlert, Presentation } from '@belfry/client';
import { describe, expect, it, vi } from 'vitest';
import type { BelfryToasts } from '../src/index.js';
import { attend, click, freshPage, pageClient, part, parts, place, press, settle, toastRegion } from './page.js';

freshPage();

const region = toastRegion;
const toasts = (): HTMLElement[] => parts(region(), 'toast');
const titles = (): (string | null)[] => toasts().map((toast) => toast.getAttribute('aria-label'));
const spoken = (name: 'polite' | 'assertive'): string[] =>
  [...part(region(), name).children].map((line) => line.textContent ?? '');
const pass = (ms: number): void => void vi.advanceTimersByTime(ms);

describe('a toast', () => {
  it('shows title, text, link and actions, and says them politely', () => {
    const client = pageClient();
    place('belfry-toasts');
    client.receive(
      'job-completed',
      {},
      { title: 'Import done', body: '412 items', link: '/jobs', actions: [{ id: 'a', label: 'Look', link: '/a' }] },
    );
    expect(titles()).toEqual(['Import done']);
    expect(part(region(), 'title').getAttribute('href')).toBe('/jobs');
    expect(part(region(), 'body').textContent).toBe('412 items');
    expect(part(region(), 'action').textContent).toBe('Look');
    expect(spoken('polite')).toEqual(['Import done. 412 items']);
    expect(spoken('assertive')).toEqual([]);
    expect(client.presented[0]?.outcome).toBe('shown');
  });

  it('is text, whatever the alert says', () => {
    const client = pageClient();
    place('belfry-toasts');
    client.receive(
      'job-completed',
      {},
      { title: '<img src=x onerror=alert(1)>', body: '<b>no</b>', link: 'javascript:alert(1)' as string },
    );
    expect(part(region(), 'title').textContent).toBe('<img src=x onerror=alert(1)>');
    expect(region().shadowRoot?.querySelector('b, [onerror]')).toBeNull();
    expect(part(region(), 'title').localName).toBe('button');
  });

  it('stays six seconds and sixty milliseconds for each character', () => {
    const client = pageClient();
    place('belfry-toasts');
    client.receive('job-completed', {}, { title: '1234567890', body: null });
    pass(6_500);
    expect(toasts()).toHaveLength(1);
    pass(250);
    expect(toasts()).toHaveLength(0);
    expect(client.presented[0]?.dismissed).toBe('timeout');
  });

  it('interrupts and stays when it is critical', () => {
    const client = pageClient();
    place('belfry-toasts');
    client.receive('exposure-detected', {}, { title: 'Leak', severity: 'critical' });
    expect(spoken('assertive')).toEqual(['Leak']);
    expect(spoken('polite')).toEqual([]);
    pass(100_000);
    expect(toasts()).toHaveLength(1);
    expect(part(region(), 'title').textContent).toBe('Critical: Leak');
  });

  it('stays until it is dismissed where the page asks for that', () => {
    const client = pageClient();
    place('belfry-toasts', { keep: '' });
    client.receive('job-completed', {}, { title: 'Done' });
    pass(60_000);
    expect(toasts()).toHaveLength(1);
  });

  it('waits while the pointer is on it', () => {
    const client = pageClient();
    place('belfry-toasts');
    client.receive('job-completed', {}, { title: 'Done' });
    part(region(), 'region').dispatchEvent(new Event('pointerenter'));
    pass(60_000);
    expect(toasts()).toHaveLength(1);
    part(region(), 'region').dispatchEvent(new Event('pointerleave'));
    pass(7_000);
    expect(toasts()).toHaveLength(0);
  });

  it('waits while the focus is in it', () => {
    const client = pageClient();
    place('belfry-toasts');
    client.receive('job-completed', {}, { title: 'Done' });
    part(region(), 'close').focus();
    pass(60_000);
    expect(toasts()).toHaveLength(1);
  });

  it('waits while the window has no focus, and while the page is hidden', () => {
    const client = pageClient();
    place('belfry-toasts');
    const focus = vi.spyOn(document, 'hasFocus').mockReturnValue(false);
    client.receive('job-completed', {}, { title: 'Done' });
    pass(60_000);
    focus.mockReturnValue(true);
    const visible = vi.spyOn(document, 'visibilityState', 'get').mockReturnValue('hidden');
    pass(60_000);
    expect(toasts()).toHaveLength(1);
    visible.mockReturnValue('visible');
    attend();
    pass(7_000);
    expect(toasts()).toHaveLength(0);
  });

  it('waits for somebody to come back to a page that nobody touches', () => {
    const client = pageClient();
    place('belfry-toasts');
    pass(200_000);
    client.receive('job-completed', {}, { title: 'Done' });
    pass(60_000);
    expect(toasts()).toHaveLength(1);
    expect(client.calls.some(({ method }) => method === 'markSeen')).toBe(false);
    attend();
    pass(7_000);
    expect(toasts()).toHaveLength(0);
  });

  it('was seen after a second in front of somebody', () => {
    const client = pageClient();
    place('belfry-toasts');
    const { id } = client.receive('job-completed', {}, { title: 'Done' });
    pass(750);
    expect(client.calls.some(({ method }) => method === 'markSeen')).toBe(false);
    pass(250);
    const seen = client.calls.filter(({ method }) => method === 'markSeen');
    expect(seen.map(({ args }) => (args[0] as AnyAlert).id)).toEqual([id]);
  });

  it('goes when the alert was read or recalled elsewhere', () => {
    const client = pageClient();
    place('belfry-toasts');
    const { id } = client.receive('job-completed', {}, { title: 'Done' });
    client.leave(id);
    expect(toasts()).toHaveLength(0);
  });

  it('is not claimed where it cannot be seen', () => {
    const client = pageClient();
    place('belfry-toasts');
    vi.spyOn(part(region(), 'region'), 'checkVisibility').mockReturnValue(false);
    client.receive('job-completed', {}, { title: 'Done' });
    expect(client.presented[0]?.outcome).toBe('declined');
    expect(toasts()).toHaveLength(0);
    expect(spoken('polite')).toEqual([]);
  });

  it('is the application’s own where it says so', () => {
    const client = pageClient();
    const element: BelfryToasts = place('belfry-toasts');
    element.renderToast = (alert) => {
      const node = document.createElement('em');
      node.textContent = `${alert.kind}!`;
      return alert.kind === 'deal-notification' ? node : null;
    };
    client.receive('deal-notification', {}, { title: 'Deal' });
    client.receive('job-completed', {}, { title: 'Done' });
    expect(region().shadowRoot?.querySelector('em')?.textContent).toBe('deal-notification!');
    expect(parts(region(), 'title').map((title) => title.textContent)).toEqual(['Done']);
    expect(parts(region(), 'close')).toHaveLength(2);
  });
});

describe('opening and dismissing', () => {
  it('opens by the client, after asking the application', () => {
    const client = pageClient();
    const element = place('belfry-toasts');
    const asked: unknown[] = [];
    element.addEventListener('belfry-open', (event) => asked.push(event.detail.url));
    client.receive('job-completed', {}, { title: 'Done', link: '/jobs/1' });
    const event = click(part(region(), 'title'));
    expect(event.defaultPrevented).toBe(true);
    expect(asked).toEqual(['/jobs/1']);
    expect(client.presented[0]?.opened).toBe(true);
    expect(toasts()).toHaveLength(0);
  });

  it('leaves the way to an application that takes over, and marks it read', async () => {
    const client = pageClient();
    place('belfry-toasts').addEventListener('belfry-open', (event) => event.preventDefault());
    client.receive('job-completed', {}, { title: 'Done', link: '/jobs/1' });
    click(part(region(), 'title'));
    await settle();
    expect(client.presented[0]?.opened).toBe(false);
    expect(client.alerts.get()[0]?.state.read).toBe(true);
  });

  it('leaves a click with a modifier to the browser', async () => {
    const client = pageClient();
    place('belfry-toasts');
    client.receive('job-completed', {}, { title: 'Done', link: '/jobs/1' });
    const event = click(part(region(), 'title'), { ctrlKey: true });
    await settle();
    expect(event.defaultPrevented).toBe(false);
    expect(client.presented[0]?.opened).toBe(false);
    expect(client.alerts.get()[0]?.state.read).toBe(true);
  });

  it('marks an action as acted', async () => {
    const client = pageClient();
    place('belfry-toasts');
    const { id } = client.receive('job-completed', {}, { title: 'Done', actions: [{ id: 'undo', label: 'Undo' }] });
    click(part(region(), 'action'));
    await settle();
    expect(client.calls.find(({ method }) => method === 'markActed')?.args).toEqual([id, 'undo']);
    expect(toasts()).toHaveLength(0);
  });

  it('tells of a dismissal', () => {
    const client = pageClient();
    const told: unknown[] = [];
    place('belfry-toasts').addEventListener('belfry-dismiss', (event) => told.push(event.detail.reason));
    client.receive('job-completed', {}, { title: 'Done' });
    click(part(region(), 'close'));
    expect(told).toEqual(['user']);
    expect(client.presented[0]?.dismissed).toBe('user');
  });

  it('leaves the alert to an application that prevents the toast, and counts it as shown', () => {
    const client = pageClient();
    place('belfry-toasts').addEventListener('belfry-present', (event: CustomEvent<Presentation>) =>
      event.preventDefault(),
    );
    client.receive('job-completed', {}, { title: 'Done' });
    expect(toasts()).toHaveLength(0);
    expect(client.presented[0]?.outcome).toBe('shown');
  });
});

describe('the keyboard', () => {
  it('never loses its focus to a toast that comes', () => {
    const client = pageClient();
    place('belfry-toasts');
    const field = document.body.appendChild(document.createElement('input'));
    field.focus();
    client.receive('exposure-detected', {}, { title: 'Leak', severity: 'critical' });
    expect(document.activeElement).toBe(field);
  });

  it('goes to the newest toast with F8, on with Escape, and back in the end', () => {
    const client = pageClient();
    place('belfry-toasts');
    const field = document.body.appendChild(document.createElement('input'));
    client.receive('job-completed', {}, { title: 'One' });
    client.receive('job-completed', {}, { title: 'Two' });
    field.focus();
    press(document.body, 'F8');
    expect(region().shadowRoot?.activeElement?.textContent).toBe('Two');
    press(region().shadowRoot?.activeElement ?? document.body, 'Escape');
    expect(titles()).toEqual(['One']);
    expect(region().shadowRoot?.activeElement?.textContent).toBe('One');
    press(region().shadowRoot?.activeElement ?? document.body, 'Escape');
    expect(toasts()).toHaveLength(0);
    expect(document.activeElement).toBe(field);
  });

  it('keeps Escape for whoever has the focus elsewhere', () => {
    const client = pageClient();
    place('belfry-toasts');
    client.receive('job-completed', {}, { title: 'One' });
    expect(press(document.body, 'Escape').defaultPrevented).toBe(false);
    expect(toasts()).toHaveLength(1);
  });

  it('uses another hotkey, or none', () => {
    const client = pageClient();
    const element = place('belfry-toasts', { hotkey: 'F9' });
    client.receive('job-completed', {}, { title: 'One' });
    expect(part(region(), 'region').getAttribute('aria-label')).toBe('Notifications (F9)');
    expect(press(document.body, 'F8').defaultPrevented).toBe(false);
    expect(press(document.body, 'F9', { ctrlKey: true }).defaultPrevented).toBe(false);
    expect(press(document.body, 'F9').defaultPrevented).toBe(true);
    element.setAttribute('hotkey', '');
    expect(press(document.body, 'F9').defaultPrevented).toBe(false);
  });
});

describe('many at once', () => {
  it('three stand side by side, four are one with a number', () => {
    const client = pageClient();
    place('belfry-toasts');
    for (const title of ['1', '2', '3']) client.receive('job-completed', {}, { title });
    expect(titles()).toEqual(['1', '2', '3']);
    client.receive('job-completed', {}, { title: '4' });
    expect(titles()).toEqual(['4 new alerts']);
    client.receive('job-completed', {}, { title: '5' });
    expect(titles()).toEqual(['5 new alerts']);
    expect(spoken('polite')).toEqual(['1', '2', '3', '4 new alerts']);
  });

  it('a fourth within five seconds joins what is left, and stands by itself where nothing is', () => {
    const client = pageClient();
    place('belfry-toasts');
    for (const title of ['1', '2', '3']) client.receive('job-completed', {}, { title });
    for (const close of parts(region(), 'close').slice(1)) click(close);
    client.receive('job-completed', {}, { title: '4' });
    expect(titles()).toEqual(['2 new alerts']);
    click(part(region(), 'close'));
    client.receive('job-completed', {}, { title: '5' });
    expect(titles()).toEqual(['5']);
  });

  it('nobody has seen an alert that is only counted', () => {
    const client = pageClient();
    place('belfry-toasts');
    for (const title of ['1', '2', '3', '4']) client.receive('job-completed', {}, { title });
    pass(2_000);
    expect(client.presented.map(({ outcome }) => outcome)).toEqual(['shown', 'shown', 'shown', 'pending']);
    expect(client.calls.some(({ method }) => method === 'markSeen')).toBe(false);
  });

  it('counts down as alerts are read elsewhere, to nothing', () => {
    const client = pageClient();
    place('belfry-toasts');
    const ids = ['1', '2', '3', '4'].map((title) => client.receive('job-completed', {}, { title }).id);
    client.leave(ids[0] ?? '');
    expect(part(region(), 'title').textContent).toBe('3 new alerts');
    for (const id of ids) client.leave(id);
    expect(toasts()).toHaveLength(0);
  });

  it('never counts a critical one away with the others', () => {
    const client = pageClient();
    place('belfry-toasts');
    client.receive('exposure-detected', {}, { title: 'Leak', severity: 'critical' });
    for (const title of ['1', '2', '3', '4']) client.receive('job-completed', {}, { title });
    expect(titles()).toEqual(['Leak', '4 new alerts']);
  });

  it('does not fill a screen that nobody looks at', () => {
    const client = pageClient();
    place('belfry-toasts');
    vi.spyOn(document, 'hasFocus').mockReturnValue(false);
    for (let n = 0; n < 30; n++) {
      client.receive('job-completed', {}, { title: `${n}` });
      client.receive('exposure-detected', {}, { title: `c${n}`, severity: 'critical' });
      pass(10_000);
    }
    expect(toasts()).toHaveLength(2);
  });

  it('opens the inbox, not an alert', () => {
    const client = pageClient();
    const asked: string[] = [];
    const element = place('belfry-toasts');
    element.addEventListener('belfry-inbox', () => asked.push('inbox'));
    element.addEventListener('belfry-open', () => asked.push('open'));
    for (const title of ['1', '2', '3', '4']) client.receive('job-completed', {}, { title });
    click(part(region(), 'title'));
    expect(asked).toEqual(['inbox']);
    expect(toasts()).toHaveLength(0);
  });
});

it('a summary says how many, and why they were not shown', () => {
  const client = pageClient();
  place('belfry-toasts');
  client.summarize(12, 'away');
  client.summarize(1, 'do-not-disturb');
  expect(titles()).toEqual(['12 alerts while you were away', '1 alert while Do not disturb was on']);
});

it('an element that leaves takes its toasts and its presenter along', async () => {
  const client = pageClient();
  const element = place('belfry-toasts');
  client.receive('job-completed', {}, { title: 'One' });
  element.remove();
  await settle();
  expect(document.querySelector('belfry-toast-region')).toBeNull();
  expect(client.leaks).toEqual({ listeners: 0, presenters: 0, lists: 0 });
  expect(client.holds).toBe(0);
});

it('an element that is moved keeps what it shows', async () => {
  const client = pageClient();
  const element = place('belfry-toasts');
  client.receive('job-completed', {}, { title: 'One' });
  document.body.appendChild(document.createElement('main')).append(element);
  await settle();
  expect(titles()).toEqual(['One']);
  expect(client.calls.filter(({ method }) => method === 'hold')).toHaveLength(1);
});

it('toasts at the top stand in reading order, the newest first', () => {
  const client = pageClient();
  place('belfry-toasts', { placement: 'top-end' });
  client.receive('job-completed', {}, { title: 'One' });
  client.receive('job-completed', {}, { title: 'Two' });
  expect(titles()).toEqual(['Two', 'One']);
});
