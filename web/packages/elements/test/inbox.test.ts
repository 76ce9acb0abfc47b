// @vitest-environment happy-dom
import type { AnyAlert } from '@belfry/client';
import { type AlertOverrides, type TestClient, testAlert } from '@belfry/testing';
import { describe, expect, it, vi } from 'vitest';
import type { BelfryInbox } from '../src/inbox.js';
import { click, DAY, freshPage, MINUTE, NOW, pageClient, part, parts, place, press, settle } from './page.js';

freshPage();

let seq = 1_000;
const alert = (title: string, ageMs: number, more: AlertOverrides & { data?: object } = {}): AnyAlert => {
  const { data = {}, ...rest } = more;
  seq -= 1;
  const createdAt = new Date(NOW - ageMs).toISOString();
  return testAlert('job-completed', data as never, { title, createdAt, seq, ...rest }) as unknown as AnyAlert;
};
const read = { state: { read: true, seen: true } };
const titles = (inbox: BelfryInbox): (string | undefined)[] =>
  parts(inbox, 'row').map((row) => row.querySelector('[part=title]')?.firstChild?.textContent ?? undefined);
const row = (inbox: BelfryInbox, at: number): HTMLElement => {
  const found = parts(inbox, 'row')[at];
  if (!found) throw new Error(`there is no row ${at}`);
  return found;
};
const tool = (inbox: BelfryInbox, at: number, name: string): HTMLElement => {
  const found = row(inbox, at).querySelector<HTMLElement>(`[part="tool-${name}"]`);
  if (!found) throw new Error(`there is no tool \`${name}\``);
  return found;
};
const calls = (client: TestClient, method: string): readonly (readonly unknown[])[] =>
  client.calls.filter((call) => call.method === method).map((call) => call.args);

describe('rows', () => {
  it('stand in groups by day, newest first', () => {
    pageClient({
      alerts: [
        alert('Now', 0),
        alert('Morning', 3 * 60 * MINUTE),
        alert('Yesterday', DAY),
        alert('Sunday', 3 * DAY),
        alert('Old', 40 * DAY),
      ],
    });
    const inbox = place('belfry-inbox');
    expect(titles(inbox)).toEqual(['Now', 'Morning', 'Yesterday', 'Sunday', 'Old']);
    expect(parts(inbox, 'day').map((day) => day.textContent)).toEqual(['Today', 'Yesterday', 'Sunday', 'January 23']);
    expect(inbox.shadowRoot?.querySelectorAll('ul[role=list]')).toHaveLength(4);
  });

  it('say whom it concerns and who found it', () => {
    pageClient({
      alerts: [
        alert('Leak', 0, {
          data: { subject: 'Grandma', service: 'DarkWatch' },
          thread: 'exposures',
          severity: 'critical',
        }),
      ],
    });
    const inbox = place('belfry-inbox');
    expect(part(inbox, 'subject').textContent).toBe('Grandma');
    expect(part(inbox, 'service').textContent).toBe('DarkWatch');
    expect(row(inbox, 0).dataset).toMatchObject({ thread: 'exposures', severity: 'critical' });
  });

  it('are named with title, severity and state, never by colour alone', () => {
    pageClient({ alerts: [alert('Leak', 0, { severity: 'critical' }), alert('Calm', 0, read)] });
    const inbox = place('belfry-inbox');
    expect(parts(inbox, 'title').map((title) => title.textContent)).toEqual(['Leak, Critical, unread', 'Calm']);
    const shapes = parts(inbox, 'mark').map((mark) => mark.querySelector('path')?.getAttribute('d'));
    expect(new Set(shapes).size).toBe(2);
  });

  it('have times that move', () => {
    pageClient({ alerts: [alert('Now', 0)] });
    const inbox = place('belfry-inbox');
    const time = (): string | null | undefined => row(inbox, 0).querySelector('time')?.textContent;
    expect(time()).toBe('now');
    vi.advanceTimersByTime(5 * MINUTE + 15_000);
    expect(time()).toBe('5m ago');
  });

  it('have times by the server’s clock, where this machine’s is wrong', () => {
    vi.spyOn(pageClient({ alerts: [alert('Now', 0)] }), 'now').mockReturnValue(NOW + 5 * MINUTE);
    const inbox = place('belfry-inbox');
    expect(row(inbox, 0).querySelector('time')?.textContent).toBe('5m ago');
  });

  it('are text, whatever the alert says', () => {
    pageClient({
      alerts: [alert('<b>x</b>', 0, { link: 'javascript:alert(1)', body: '<i>y</i>', data: { subject: '<u>z</u>' } })],
    });
    const inbox = place('belfry-inbox');
    expect(row(inbox, 0).querySelector('b,i,u,a')).toBeNull();
    expect(titles(inbox)).toEqual(['<b>x</b>']);
  });

  it('of alerts that did not change stay the nodes they are', () => {
    const client = pageClient({ alerts: [alert('One', 0), alert('Two', 0)] });
    const inbox = place('belfry-inbox');
    const [one, two] = parts(inbox, 'row');
    client.receive('job-completed', {}, { title: 'New' });
    expect(titles(inbox)).toEqual(['New', 'One', 'Two']);
    expect(parts(inbox, 'row').slice(1)).toEqual([one, two]);
  });
});

describe('changes', () => {
  it('a row is marked read and unread', async () => {
    const client = pageClient({ alerts: [alert('One', 0)] });
    const inbox = place('belfry-inbox');
    click(tool(inbox, 0, 'markRead'));
    await settle();
    expect(row(inbox, 0).getAttribute('part')).toContain(' read');
    click(tool(inbox, 0, 'markUnread'));
    await settle();
    expect(row(inbox, 0).getAttribute('part')).toContain(' unread');
    expect(calls(client, 'markUnread')).toHaveLength(1);
  });

  it('an archived row leaves, and comes back by undo', async () => {
    const client = pageClient({ alerts: [alert('One', 0), alert('Two', 0)] });
    const inbox = place('belfry-inbox');
    click(tool(inbox, 0, 'archive'));
    await settle();
    expect(titles(inbox)).toEqual(['Two']);
    expect(part(inbox, 'note').textContent).toBe('Archived: OneUndo');
    click(part(inbox, 'undo'));
    await settle();
    expect(calls(client, 'unarchive')).toHaveLength(1);
    expect(calls(client, 'markUnread')).toHaveLength(1);
    expect(part(inbox, 'note').textContent).toBe('');
  });

  it('a row that was read comes back read', async () => {
    const client = pageClient({ alerts: [alert('One', 0, read)] });
    const inbox = place('belfry-inbox');
    click(tool(inbox, 0, 'archive'));
    await settle();
    click(part(inbox, 'undo'));
    await settle();
    expect(calls(client, 'unarchive')).toHaveLength(1);
    expect(calls(client, 'markUnread')).toHaveLength(0);
  });

  it('the way back stays ten seconds, and longer while somebody is at it', async () => {
    pageClient({ alerts: [alert('One', 0)] });
    const inbox = place('belfry-inbox');
    click(tool(inbox, 0, 'archive'));
    await settle();
    const held = vi.spyOn(part(inbox, 'note'), 'matches').mockReturnValue(true);
    vi.advanceTimersByTime(30_000);
    expect(parts(inbox, 'undo')).toHaveLength(1);
    held.mockReturnValue(false);
    vi.advanceTimersByTime(10_000);
    expect(parts(inbox, 'undo')).toHaveLength(0);
  });

  it('all are marked as read up to the newest that is loaded', async () => {
    const client = pageClient({ alerts: [alert('One', 0), alert('Two', MINUTE)] });
    const inbox = place('belfry-inbox');
    const newest = client.alerts.get()[0];
    click(part(inbox, 'mark-all'));
    await settle();
    expect(calls(client, 'markRead')).toEqual([[{ upTo: newest }]]);
    expect(part(inbox, 'mark-all').getAttribute('aria-disabled')).toBe('true');
    click(part(inbox, 'mark-all'));
    expect(calls(client, 'markRead')).toHaveLength(1);
  });

  it('one that fails is said', async () => {
    const client = pageClient({ alerts: [alert('One', 0)] });
    const inbox = place('belfry-inbox');
    client.failNext('markRead');
    click(tool(inbox, 0, 'markRead'));
    await settle();
    expect(part(inbox, 'note').textContent).toBe('That could not be saved.');
  });

  it('opening asks the application and goes by the client', () => {
    const client = pageClient({ alerts: [alert('One', 0, { link: '/one' })] });
    const inbox = place('belfry-inbox');
    const asked: unknown[] = [];
    inbox.addEventListener('belfry-open', (event) => asked.push(event.detail.url));
    expect(click(part(inbox, 'title')).defaultPrevented).toBe(true);
    expect(asked).toEqual(['/one']);
    expect(calls(client, 'open')).toHaveLength(1);
  });

  it('an action is followed', async () => {
    const client = pageClient({
      alerts: [alert('One', 0, { actions: [{ id: 'fix', label: 'Fix it', link: '/fix' }] })],
    });
    const inbox = place('belfry-inbox');
    click(part(inbox, 'action'));
    await settle();
    expect(calls(client, 'markActed').map((args) => args[1])).toEqual(['fix']);
  });
});

describe('filter and pages', () => {
  it('shows only unread ones, and keeps one that was read until the filter is chosen again', async () => {
    pageClient({ alerts: [alert('One', 0), alert('Two', 0, read)] });
    const inbox = place('belfry-inbox');
    const [all, unread] = parts(inbox, 'filter');
    if (!all || !unread) throw new Error('two filters are missing');
    expect(all.getAttribute('aria-pressed')).toBe('true');
    click(unread);
    expect(unread.getAttribute('aria-pressed')).toBe('true');
    expect(titles(inbox)).toEqual(['One']);
    click(tool(inbox, 0, 'markRead'));
    await settle();
    expect(titles(inbox)).toEqual(['One']);
    click(unread);
    expect(titles(inbox)).toEqual([]);
    expect(part(inbox, 'empty').textContent).toContain('Nothing unread');
  });

  it('shows older ones when asked, and no button when there are none', async () => {
    pageClient({ alerts: [alert('One', 0)], older: [alert('Two', DAY, read)] });
    const inbox = place('belfry-inbox', { limit: '1' });
    expect(titles(inbox)).toEqual(['One']);
    click(part(inbox, 'more'));
    await settle();
    expect(titles(inbox)).toEqual(['One', 'Two']);
    expect(part(inbox, 'more').hidden).toBe(true);
  });

  it('gives back its list', async () => {
    const client = pageClient({ alerts: [alert('One', 0)] });
    const inbox = place('belfry-inbox');
    for (const filter of parts(inbox, 'filter')) click(filter);
    expect(client.leaks.lists).toBe(1);
    inbox.remove();
    await settle();
    expect(client.leaks).toEqual({ listeners: 0, presenters: 0, lists: 0 });
  });
});

describe('states', () => {
  it('empty says that there is nothing', () => {
    pageClient();
    expect(part(place('belfry-inbox'), 'empty').textContent).toContain('all caught up');
  });

  it('loading shows lines, and says so', () => {
    const client = pageClient();
    const inbox = place('belfry-inbox');
    client.setListStatus('loading');
    expect(parts(inbox, 'skeleton')).toHaveLength(3);
    expect(part(inbox, 'scroll').getAttribute('aria-busy')).toBe('true');
    expect(part(inbox, 'loading').textContent).toBe('Loading…');
  });

  it('an error can be tried again', async () => {
    const client = pageClient({ alerts: [alert('One', 0)], older: [alert('Two', DAY)] });
    const inbox = place('belfry-inbox', { limit: '1' });
    expect(part(inbox, 'more').hidden).toBe(false);
    client.setListStatus('error');
    expect(part(inbox, 'error').getAttribute('role')).toBe('alert');
    expect(part(inbox, 'more').hidden).toBe(true);
    click(part(inbox, 'retry'));
    await settle();
    expect(parts(inbox, 'error')).toHaveLength(0);
  });

  it('offline it can be read, and says why it cannot be changed', () => {
    const client = pageClient({ alerts: [alert('One', 0)], connection: 'live' });
    const inbox = place('belfry-inbox');
    client.setConnection('offline');
    expect(titles(inbox)).toEqual(['One']);
    expect(part(inbox, 'note').textContent).toBe('You are offline. Changes have to wait.');
    const archive = tool(inbox, 0, 'archive');
    expect(archive.getAttribute('aria-disabled')).toBe('true');
    expect(archive.title).toBe('You are offline. Changes have to wait.');
    click(archive);
    expect(calls(client, 'archive')).toHaveLength(0);
    client.setConnection('live');
    expect(part(inbox, 'note').textContent).toBe('');
    click(tool(inbox, 0, 'archive'));
    expect(calls(client, 'archive')).toHaveLength(1);
  });

  it('a break of two seconds disables nothing, one of three does', () => {
    const client = pageClient({ alerts: [alert('One', 0)], connection: 'live' });
    const inbox = place('belfry-inbox');
    client.setConnection({ state: 'retrying', since: Date.now() });
    vi.advanceTimersByTime(2_000);
    expect(tool(inbox, 0, 'archive').hasAttribute('aria-disabled')).toBe(false);
    vi.advanceTimersByTime(1_000);
    expect(tool(inbox, 0, 'archive').getAttribute('aria-disabled')).toBe('true');
  });
});

describe('the keyboard', () => {
  it('walks by arrows, Home and End, and Tab leads to one row only', () => {
    pageClient({ alerts: [alert('One', 0), alert('Two', 0), alert('Three', DAY)] });
    const inbox = place('belfry-inbox');
    const at = (): string | undefined => inbox.shadowRoot?.activeElement?.firstChild?.textContent ?? undefined;
    part(inbox, 'title').focus();
    const go = (key: string): void => void press(inbox.shadowRoot?.activeElement ?? inbox, key);
    go('ArrowDown');
    expect(at()).toBe('Two');
    go('End');
    expect(at()).toBe('Three');
    go('ArrowDown');
    expect(at()).toBe('Three');
    expect(parts(inbox, 'title').map((title) => title.tabIndex)).toEqual([-1, -1, 0]);
    go('Home');
    go('ArrowUp');
    expect(at()).toBe('One');
  });

  it('stays where it was when the row changes, and goes to the next when it leaves', async () => {
    pageClient({ alerts: [alert('One', 0), alert('Two', 0)] });
    const inbox = place('belfry-inbox');
    tool(inbox, 0, 'markRead').focus();
    click(tool(inbox, 0, 'markRead'), { detail: 0 });
    await settle();
    expect(inbox.shadowRoot?.activeElement?.closest('li')).toBe(row(inbox, 0));
    tool(inbox, 0, 'archive').focus();
    click(tool(inbox, 0, 'archive'), { detail: 0 });
    await settle();
    expect(inbox.shadowRoot?.activeElement?.closest('li')).toBe(row(inbox, 0));
    expect(titles(inbox)).toEqual(['Two']);
  });
});

describe('seen', () => {
  type Look = (entries: { target: Element; isIntersecting: boolean }[]) => void;
  const watching = (): { look: Look } => {
    const eye: { look: Look } = { look: () => {} };
    vi.stubGlobal(
      'IntersectionObserver',
      class {
        constructor(look: Look) {
          eye.look = look;
        }
        observe(): void {}
        unobserve(): void {}
        disconnect(): void {}
      },
    );
    return eye;
  };

  it('is a row that was on screen for a second, and never read by that', async () => {
    const client = pageClient({ alerts: [alert('One', 0), alert('Two', 0)] });
    const eye = watching();
    const inbox = place('belfry-inbox');
    eye.look([{ target: row(inbox, 0), isIntersecting: true }]);
    vi.advanceTimersByTime(900);
    expect(calls(client, 'markSeen')).toHaveLength(0);
    vi.advanceTimersByTime(100);
    await settle();
    expect(client.alerts.get().map(({ state }) => state.seen)).toEqual([true, false]);
    expect(calls(client, 'markRead')).toHaveLength(0);
  });

  it('is not a row that left within the second, nor one before nobody', () => {
    const client = pageClient({ alerts: [alert('One', 0)] });
    const eye = watching();
    const inbox = place('belfry-inbox');
    eye.look([{ target: row(inbox, 0), isIntersecting: true }]);
    eye.look([{ target: row(inbox, 0), isIntersecting: false }]);
    vi.advanceTimersByTime(5_000);
    vi.spyOn(document, 'visibilityState', 'get').mockReturnValue('hidden');
    eye.look([{ target: row(inbox, 0), isIntersecting: true }]);
    vi.advanceTimersByTime(5_000);
    expect(calls(client, 'markSeen')).toHaveLength(0);
  });
});
