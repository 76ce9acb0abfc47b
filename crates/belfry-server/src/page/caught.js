// What would have left the house: pushes and mails, as long as `belfry dev` catches them.

import { ago } from './inbox.js';

const LOOK_EVERY_MS = 2_000;
const WAYS = { fcm: 'Push · FCM', apns: 'Push · APNs', webpush: 'Push · browser', smtp: 'E-mail' };

const element = (name, className, text) => {
  const node = document.createElement(name);
  if (className) node.className = className;
  if (text !== undefined && text !== null) node.textContent = text;
  return node;
};

export class Caught {
  #list = document.querySelector('.caught');
  #empty = document.querySelector('.outside .hint');
  #count = document.querySelector('.outside .count');
  #call;
  #mails;
  #newest = 0;

  /** @param {{ call: Function, base: string, mailKey: string }} page */
  constructor({ call, base, mailKey }) {
    this.#call = call;
    this.#mails = `${base}/dev/mail/${mailKey}`;
    setInterval(() => document.visibilityState === 'visible' && this.look(), LOOK_EVERY_MS);
    this.look();
  }

  async look() {
    const { ok, body } = await this.#call('dev/caught').catch(() => ({ ok: false }));
    if (ok) this.#show(body.caught);
  }

  #show(caught) {
    this.#empty.hidden = caught.length > 0;
    this.#count.textContent = caught.length || '';
    this.#list.replaceChildren(...caught.map((one) => this.#row(one)));
    this.#newest = caught[0]?.number ?? 0;
  }

  #row(one) {
    const row = element('li', one.replaced ? 'replaced' : '');
    if (one.number > this.#newest && this.#newest > 0) row.classList.add('new');
    const head = element('p', 'way');
    const time = element('time', '', ago(one.at));
    time.dateTime = one.at;
    head.append(element('b', '', WAYS[one.provider] ?? one.provider), ` to ${one.user} (${one.address}) `, time);
    row.append(head, element('p', 'title', one.title));
    if (one.body) row.append(element('p', 'body', one.body));
    for (const title of one.items) row.append(element('p', 'body', `• ${title}`));
    const facts = [];
    if (one.provider !== 'smtp') facts.push(`badge ${one.unread}`);
    if (one.quiet) facts.push('quiet');
    if (one.replaced) facts.push('a newer one took its place in the tray');
    if (facts.length > 0) row.append(element('p', 'facts', facts.join(' · ')));
    if (one.provider === 'smtp') {
      const open = element('a', 'open', 'Open the mail');
      Object.assign(open, { href: `${this.#mails}/${one.number}`, target: '_blank', rel: 'noopener' });
      row.append(open);
    }
    return row;
  }
}
