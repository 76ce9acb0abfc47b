// Toasts: at most three at once, patient with people who are reading, and honest about who was there to see them.

const STAY_MS = 6_000;
const TICK_MS = 250;
const AT_ONCE = 3;
/** Somebody is there: a visible page with input within this time. */
const ATTENDED_MS = 120_000;

/** Whether somebody sits in front of this tab, as far as a page can know. */
export class Attention {
  #inputAt = 0;
  #onInput = new Set();

  constructor() {
    for (const type of ['pointerdown', 'pointermove', 'keydown', 'wheel', 'touchstart']) {
      addEventListener(type, () => this.#touch(), { passive: true, capture: true });
    }
  }

  attended() {
    return document.visibilityState === 'visible' && Date.now() - this.#inputAt < ATTENDED_MS;
  }

  onReturn(act) {
    this.#onInput.add(act);
  }

  #touch() {
    const was = this.attended();
    this.#inputAt = Date.now();
    if (!was) for (const act of this.#onInput) act();
  }
}

const icon = (name) => {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  use.setAttribute('href', `#i-${name}`);
  svg.append(use);
  return svg;
};

export { icon };

export class Toasts {
  #region = document.querySelector('.toasts');
  #polite = document.querySelector('.unseen[role=status]');
  #assertive = document.querySelector('.unseen[role=alert]');
  #toasts = [];
  #attention;
  #ticking = null;
  /** Called with ids once they were on screen before somebody. */
  #onDisplayed;
  #onOpen;

  constructor({ attention, onDisplayed, onOpen }) {
    this.#attention = attention;
    this.#onDisplayed = onDisplayed;
    this.#onOpen = onOpen;
    attention.onReturn(() => this.#confirm());
    document.addEventListener('visibilitychange', () => this.#confirm());
    addEventListener('keydown', (event) => {
      if (event.key === 'F8' && this.#toasts.length > 0) {
        event.preventDefault();
        this.#region.querySelector('button')?.focus();
      } else if (event.key === 'Escape' && this.#region.contains(document.activeElement)) {
        this.#dismiss(this.#toasts.find(({ node }) => node.contains(document.activeElement)));
      }
    });
  }

  /** One alert. A flood becomes one toast that counts. */
  alert(alert) {
    const shown = this.#toasts.filter((toast) => !toast.summary);
    if (shown.length < AT_ONCE) {
      this.#show({ title: alert.title, text: alert.body, severity: alert.severity, ids: [alert.id] });
      return;
    }
    let summary = this.#toasts.find((toast) => toast.summary);
    summary ??= this.#show({ title: '', text: null, severity: 'info', ids: [], summary: true });
    summary.ids.push(alert.id);
    summary.left = STAY_MS;
    summary.node.querySelector('strong').textContent =
      summary.ids.length === 1 ? 'One more alert' : `${summary.ids.length} more alerts`;
  }

  /** Something the page itself says. */
  say(title, text = null) {
    this.#show({ title, text, severity: 'info', ids: [] });
  }

  /** Alerts that were read, archived or recalled elsewhere need no toast any more. */
  keepOnly(isOpen) {
    for (const toast of [...this.#toasts]) {
      if (toast.ids.length === 1 && !toast.summary && !isOpen(toast.ids[0])) this.#dismiss(toast);
    }
  }

  clear() {
    for (const toast of [...this.#toasts]) this.#dismiss(toast);
  }

  #show({ title, text, severity, ids, summary = false }) {
    const node = document.createElement('div');
    node.className = `toast ${severity}`;
    node.dir = 'auto';
    const mark = document.createElement('span');
    mark.className = 'mark';
    mark.append(icon(ids.length || summary ? severity : 'bell'));
    const words = document.createElement('div');
    const strong = document.createElement('strong');
    strong.textContent = title;
    words.append(strong);
    if (text) words.append(Object.assign(document.createElement('p'), { textContent: text }));
    const close = document.createElement('button');
    close.type = 'button';
    close.setAttribute('aria-label', `Dismiss: ${title || 'more alerts'}`);
    close.append(icon('close'));
    node.append(mark, words, close);
    const toast = { node, ids, summary, left: STAY_MS, severity, told: 0 };
    close.onclick = () => this.#dismiss(toast);
    words.onclick = () => {
      if (toast.ids.length === 1) this.#onOpen(toast.ids[0]);
      this.#dismiss(toast);
    };
    this.#region.append(node);
    this.#toasts.push(toast);
    const region = severity === 'critical' ? this.#assertive : this.#polite;
    region.textContent = text ? `${title}. ${text}` : title;
    this.#ticking ??= setInterval(() => this.#tick(), TICK_MS);
    this.#confirm();
    return toast;
  }

  #tick() {
    this.#confirm();
    // Nobody is there, or somebody is reading: they stay. Critical ones wait for a person.
    const held = !this.#attention.attended() || this.#region.matches(':hover, :focus-within') || !document.hasFocus();
    for (const toast of [...this.#toasts]) {
      if (held || toast.severity === 'critical') continue;
      toast.left -= TICK_MS;
      if (toast.left <= 0) this.#dismiss(toast);
    }
    if (this.#toasts.length > 0) return;
    clearInterval(this.#ticking);
    this.#ticking = null;
  }

  #confirm() {
    if (!this.#attention.attended()) return;
    for (const toast of this.#toasts) {
      const fresh = toast.ids.slice(toast.told);
      toast.told = toast.ids.length;
      // A counted one was not shown by itself: the toast names no alert.
      if (fresh.length > 0 && !toast.summary) this.#onDisplayed(fresh);
    }
  }

  #dismiss(toast) {
    if (!toast) return;
    this.#toasts = this.#toasts.filter((other) => other !== toast);
    toast.node.remove();
  }
}
