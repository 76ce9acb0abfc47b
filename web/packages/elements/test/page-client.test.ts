// @vitest-environment happy-dom
import type { ClientOptions } from '@belfry/client';
import { createTestClient } from '@belfry/testing';
import { describe, expect, it, vi } from 'vitest';
import { define, setClient } from '../src/index.js';
import { freshPage, pageClient, part, place, settle } from './page.js';

const made = vi.hoisted(() => ({ options: [] as ClientOptions[] }));
vi.mock('@belfry/client', () => ({
  createClient: (options: ClientOptions) => {
    made.options.push(options);
    return createTestClient({ user: options.user ?? 'ann', unread: 4 });
  },
}));

freshPage();

describe('<belfry-client>', () => {
  it('makes a client of its attributes, holds it, and gives it to the page', () => {
    const ready = vi.fn();
    document.addEventListener('belfry-ready', ready, { once: true });
    const bell = place('belfry-bell');
    const element = place('belfry-client', { url: '/alerts', user: 'ann', 'token-url': '/token' });
    expect(made.options.at(-1)).toMatchObject({ url: '/alerts', user: 'ann' });
    expect(ready).toHaveBeenCalledTimes(1);
    expect(element.client).not.toBeNull();
    expect(bell.client).toBe(element.client);
    expect(part(bell, 'badge').textContent).toBe('4');
  });

  it('knows nobody without `user`, and that nobody is signed in with an empty one', () => {
    place('belfry-client');
    expect(made.options.at(-1)).not.toHaveProperty('user');
    place('belfry-client', { name: 'other', user: '' });
    expect(made.options.at(-1)?.user).toBeNull();
  });

  it('with a name belongs to those that name it', () => {
    const first = place('belfry-client');
    const support = place('belfry-client', { name: 'support' });
    expect(place('belfry-bell').client).toBe(first.client);
    expect(place('belfry-bell', { client: 'support' }).client).toBe(support.client);
    expect(made.options.at(-1)?.scope).toBe('support');
  });

  it('asks the page’s back end for the token; refused means signed out', async () => {
    const { signal } = new AbortController();
    const ask = (): unknown => made.options.at(-1)?.token?.({ reason: 'connect', signal });
    const answers = [
      Response.json({ token: 'abc' }),
      new Response('', { status: 401 }),
      new Response('', { status: 500 }),
    ];
    vi.stubGlobal('fetch', async () => answers.shift());
    place('belfry-client', { 'token-url': '/token' });
    expect(await ask()).toBe('abc');
    expect(await ask()).toBeNull();
    await expect(ask()).rejects.toThrow('500');
  });

  it('changes the user, and ends with the element', async () => {
    const element = place('belfry-client', { user: 'ann' });
    const { client } = element;
    const identify = vi.spyOn(client ?? createTestClient(), 'identify');
    element.setAttribute('user', 'bob');
    expect(identify).toHaveBeenLastCalledWith('bob');
    element.setAttribute('user', '');
    expect(identify).toHaveBeenLastCalledWith(null);
    const dispose = vi.spyOn(client ?? createTestClient(), 'dispose');
    element.remove();
    await settle();
    expect(dispose).toHaveBeenCalledTimes(1);
    expect(place('belfry-bell').client).toBeNull();
  });
});

describe('an element’s client', () => {
  it('may come later, and may change', () => {
    const bell = place('belfry-bell');
    expect(bell.shadowRoot?.querySelector('[part=badge]')).toBeNull();
    const first = pageClient({ unread: 1 });
    expect(part(bell, 'badge').textContent).toBe('1');
    expect(first.holds).toBe(1);
    const second = pageClient({ unread: 2 });
    expect(part(bell, 'badge').textContent).toBe('2');
    expect([first.holds, second.holds]).toEqual([0, 1]);
    setClient(null);
    expect(second.holds).toBe(0);
  });

  it('may be its own', () => {
    pageClient({ unread: 1 });
    expect(part(place('belfry-bell', {}, createTestClient({ unread: 7 })), 'badge').textContent).toBe('7');
  });

  it('may be set before the tag is known', () => {
    const early = document.createElement('belfry-late');
    Object.assign(early, { client: createTestClient({ unread: 7 }) });
    document.body.append(early);
    const { BelfryBell } = customElements.get('belfry-bell')
      ? { BelfryBell: customElements.get('belfry-bell') as CustomElementConstructor }
      : { BelfryBell: HTMLElement };
    class Late extends (BelfryBell as new () => HTMLElement) {
      static readonly tag = 'belfry-late';
    }
    define(Late);
    customElements.upgrade(early);
    const late = document.querySelector('belfry-late') ?? early;
    expect(part(late, 'badge').textContent).toBe('7');
  });
});

describe('auto.js', () => {
  const load = async (): Promise<typeof import('../src/auto.js')> => {
    vi.resetModules();
    return import('../src/auto.js');
  };

  it('takes the client of the page’s own element', async () => {
    const element = place('belfry-client', { user: 'ann' });
    const before = made.options.length;
    const { client } = await load();
    expect(client).toBe(element.client);
    expect(made.options).toHaveLength(before);
  });

  it('without one makes a client for the server that it came from, for the user of the page', async () => {
    const meta = document.head.appendChild(document.createElement('meta'));
    meta.name = 'belfry:user';
    meta.content = 'ann';
    const ready = vi.fn();
    document.addEventListener('belfry-ready', ready, { once: true });
    const { client } = await load();
    meta.remove();
    expect(made.options.at(-1)?.user).toBe('ann');
    expect(String(made.options.at(-1)?.url)).toMatch(/elements\/$/);
    expect(ready.mock.calls).toEqual([[expect.objectContaining({ detail: { client } })]]);
  });

  it('speaks the language of the page', async () => {
    document.documentElement.lang = 'de-AT';
    const { setClient: own } = await load();
    expect(typeof own).toBe('function');
    const { wordOf } = await import('../src/strings.js');
    const { bellWords } = await import('../src/words.js');
    const austrian = Object.assign(document.createElement('p'), { lang: 'de-AT' });
    expect(wordOf(austrian, bellWords, 'notifications')).toBe('Benachrichtigungen');
  });
});
