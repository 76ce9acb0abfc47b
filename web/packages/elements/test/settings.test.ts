// @vitest-environment happy-dom
import { describe, expect, it, vi } from 'vitest';
import { click, DAY, freshPage, NOW, pageClient, part, parts, place, settle } from './page.js';

freshPage();

describe('do not disturb', () => {
  const choose = (element: Element, at: number): void => {
    const choice = parts(element, 'choice')[at];
    if (!choice) throw new Error(`there is no choice ${at}`);
    click(choice);
  };

  it('offers an hour, until tomorrow at eight, and until it is turned off', () => {
    const client = pageClient();
    const element = place('belfry-do-not-disturb');
    expect(parts(element, 'choice').map((choice) => choice.textContent)).toEqual([
      '1 hour',
      'Until tomorrow',
      'Until I turn it off',
    ]);
    const asked = vi.spyOn(client, 'setDoNotDisturb');
    choose(element, 0);
    expect(asked).toHaveBeenLastCalledWith({ until: new Date(NOW + 3_600_000) });
  });

  it('until tomorrow ends at eight in the morning', () => {
    const client = pageClient();
    const asked = vi.spyOn(client, 'setDoNotDisturb').mockResolvedValue();
    const element = place('belfry-do-not-disturb');
    choose(element, 1);
    const { until } = (asked.mock.calls[0]?.[0] ?? {}) as { until: Date };
    expect([until.getHours(), until.getMinutes()]).toEqual([8, 0]);
    expect(until.getDate()).toBe(new Date(NOW + DAY).getDate());
    choose(element, 2);
    expect(asked).toHaveBeenLastCalledWith({ until: 'on' });
  });

  it('says until when, and is turned off', () => {
    const client = pageClient({ doNotDisturb: { active: true, until: new Date(NOW + 3_600_000).toISOString() } });
    const element = place('belfry-do-not-disturb');
    expect(part(element, 'until').textContent).toMatch(/^Until \d\d:\d\d/);
    const asked = vi.spyOn(client, 'setDoNotDisturb');
    choose(element, 0);
    expect(asked).toHaveBeenLastCalledWith({ until: 'off' });
    expect(parts(element, 'choice')).toHaveLength(3);
  });

  it('names no hour for a time that nobody means', () => {
    pageClient({ doNotDisturb: { active: true, until: '9999-01-01T00:00:00Z' } });
    expect(part(place('belfry-do-not-disturb'), 'until').textContent).toBe('Until I turn it off');
  });
});

describe('sound', () => {
  it('is a switch', () => {
    const client = pageClient({ sound: { enabled: false } });
    const element = place('belfry-sound');
    const button = part(element, 'setting');
    expect(button.getAttribute('role')).toBe('switch');
    expect(button.getAttribute('aria-checked')).toBe('false');
    click(button);
    expect(client.sound.get().enabled).toBe(true);
    expect(button.getAttribute('aria-checked')).toBe('true');
  });

  it('says when the browser still blocks it', () => {
    const client = pageClient({ sound: { enabled: true, blocked: true } });
    const element = place('belfry-sound');
    expect(part(element, 'hint').textContent).toContain('next click');
    client.setSoundBlocked(false);
    expect(part(element, 'hint').textContent).toBe('');
  });
});

describe('the question about push', () => {
  const opened = (): boolean =>
    document.body.dispatchEvent(new CustomEvent('belfry-open', { bubbles: true, composed: true }));

  it('is never asked when the page opens, only after an alert was opened', () => {
    pageClient();
    const element = place('belfry-push-prompt');
    expect(parts(element, 'prompt')).toHaveLength(0);
    opened();
    expect(part(element, 'heading').textContent).toBe('Hear of this when the page is closed?');
  });

  it('turns push on by the click, and is gone', async () => {
    const client = pageClient();
    const element = place('belfry-push-prompt');
    opened();
    click(part(element, 'enable'));
    await settle();
    expect(client.push.state.get()).toBe('on');
    expect(parts(element, 'prompt')).toHaveLength(0);
  });

  it('is not asked for thirty days after "not now"', () => {
    pageClient();
    const element = place('belfry-push-prompt');
    opened();
    click(part(element, 'later'));
    expect(parts(element, 'prompt')).toHaveLength(0);
    vi.advanceTimersByTime(29 * DAY);
    opened();
    expect(parts(element, 'prompt')).toHaveLength(0);
    vi.advanceTimersByTime(2 * DAY);
    opened();
    expect(parts(element, 'prompt')).toHaveLength(1);
  });

  it('may be asked on the page that the alert led to', () => {
    pageClient();
    const before = place('belfry-push-prompt');
    opened();
    before.remove();
    expect(parts(place('belfry-push-prompt'), 'prompt')).toHaveLength(1);
    vi.advanceTimersByTime(6 * 60_000);
    expect(parts(place('belfry-push-prompt'), 'prompt')).toHaveLength(0);
  });

  it('explains what is blocked, and how iOS wants it', () => {
    const client = pageClient({ push: 'denied' });
    const element = place('belfry-push-prompt');
    opened();
    expect(part(element, 'text').textContent).toContain('blocks notifications');
    expect(parts(element, 'enable')).toHaveLength(0);
    client.setPushState('needs-install');
    expect(part(element, 'text').textContent).toContain('Add to Home Screen');
    client.setPushState('unsupported');
    expect(parts(element, 'prompt')).toHaveLength(0);
  });

  it('with `always` it is the setting', async () => {
    const client = pageClient({ push: 'on' });
    const element = place('belfry-push-prompt', { always: '' });
    expect(part(element, 'text').textContent).toBe('Alerts reach this device.');
    expect(parts(element, 'later')).toHaveLength(0);
    click(part(element, 'disable'));
    await settle();
    expect(client.push.state.get()).toBe('off');
    client.setPushState('other-user');
    expect(part(element, 'text').textContent).toContain('another account');
  });

  it('works where nothing can be remembered', () => {
    vi.stubGlobal('localStorage', {
      getItem: () => {
        throw new Error('SecurityError');
      },
      setItem: () => {
        throw new Error('SecurityError');
      },
      clear: () => {},
    });
    pageClient();
    const element = place('belfry-push-prompt');
    opened();
    click(part(element, 'later'));
    expect(element.isConnected).toBe(true);
  });
});

describe('preferences', () => {
  const boxes = (element: Element): (readonly [string | null, boolean])[] =>
    parts(element, 'choice').map((box) => [box.getAttribute('aria-label'), (box as HTMLInputElement).checked] as const);
  const preferences = { default: { email: false }, categories: { deals: { push: false } } };
  const ready = async (attributes: Record<string, string> = {}): Promise<HTMLElement> => {
    const { BelfryPreferences } = await import('../src/settings.js');
    const { define } = await import('../src/index.js');
    define(BelfryPreferences);
    const element = place('belfry-preferences', attributes);
    await settle();
    return element;
  };

  it('show what each category is told by, and what holds for the others', async () => {
    pageClient({ preferences });
    expect(boxes(await ready({ categories: 'security deals' }))).toEqual([
      ['security: Push', true],
      ['security: E-mail', false],
      ['deals: Push', false],
      ['deals: E-mail', false],
      ['Everything else: Push', true],
      ['Everything else: E-mail', false],
    ]);
  });

  it('change one way of one category', async () => {
    const client = pageClient({ preferences });
    const asked = vi.spyOn(client.preferences, 'set');
    const element = await ready();
    const [push] = parts(element, 'choice') as HTMLInputElement[];
    if (!push) throw new Error('there is no choice');
    push.click();
    await settle();
    expect(asked).toHaveBeenCalledWith({ categories: { deals: { push: true } } });
    expect(boxes(element)[0]).toEqual(['deals: Push', true]);
  });

  it('go back when they could not be saved', async () => {
    const client = pageClient({ preferences });
    vi.spyOn(client.preferences, 'set').mockRejectedValue(new Error('no'));
    const element = await ready();
    const [push] = parts(element, 'choice') as HTMLInputElement[];
    push?.click();
    await settle();
    expect(push?.checked).toBe(false);
    expect(part(element, 'note').textContent).toBe('That could not be saved.');
  });

  it('set quiet hours, day by day', async () => {
    const client = pageClient({ preferences });
    const asked = vi.spyOn(client, 'setDoNotDisturb');
    const element = await ready();
    click(part(element, 'add'));
    await settle();
    const { schedule } = (asked.mock.calls[0]?.[0] ?? {}) as { schedule: unknown };
    expect(schedule).toEqual([{ days: ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'], from: '22:00', to: '07:00' }]);
    const sunday = parts(element, 'day').at(-1);
    if (!sunday) throw new Error('there is no Sunday');
    click(sunday);
    await settle();
    expect(client.doNotDisturb.get().schedule[0]?.days).toEqual(['mon', 'tue', 'wed', 'thu', 'fri', 'sat']);
    click(part(element, 'remove'));
    await settle();
    expect(client.doNotDisturb.get().schedule).toEqual([]);
  });
});
