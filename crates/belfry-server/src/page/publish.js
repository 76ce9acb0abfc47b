// The form: an example of each kind, sent through the page's own door, and the line that does the same from a shell.

const shellWord = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

const element = (name, text, className) => {
  const node = document.createElement(name);
  if (text) node.textContent = text;
  if (className) node.className = className;
  return node;
};

/** The server's sentences put names between backticks. */
const prose = (name, text) => {
  const node = element(name);
  for (const [nth, part] of text.split('`').entries()) node.append(nth % 2 ? element('code', part) : part);
  return node;
};

export class Publish {
  #setup;
  #base;
  #post;
  #to;
  #form = document.querySelector('form');
  #outcome = document.querySelector('.outcome');
  #curl = document.querySelector('.terminal code');
  #audience = document.querySelector('.audience');
  /** The person changed the example: choosing another user keeps it. */
  #edited = false;

  /** `post(path, body)` gives the answer of the server as `{ok, status, body}`. */
  constructor({ setup, base, post }) {
    this.#setup = setup;
    this.#base = base;
    this.#post = post;
    const choices = [...setup.users.map((user) => [user, { user }]), ['Everyone', { everyone: true }]];
    for (const [name, to] of choices) {
      const button = element('button', name);
      button.type = 'button';
      button.onclick = () => this.#address(button, to);
      this.#audience.append(button);
    }
    for (const kind of setup.kinds) this.#form.kind.append(new Option(kind.name, kind.name));
    this.#form.kind.value = setup.kinds.some(({ name }) => name === 'deal-notification')
      ? 'deal-notification'
      : (setup.kinds[0]?.name ?? '');
    this.#form.kind.onchange = () => this.#fill();
    this.#form.addEventListener('input', (event) => {
      if (event.target === this.#form.data) this.#edited = true;
      this.#preview();
    });
    this.#form.onsubmit = (event) => {
      event.preventDefault();
      this.#send();
    };
    this.#form.onkeydown = (event) => {
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) this.#form.requestSubmit();
    };
    document.querySelector('.copy').onclick = ({ currentTarget }) => this.#copy(currentTarget);
    this.#address(this.#audience.firstElementChild, choices[0][1]);
    this.#fill();
  }

  #address(button, to) {
    this.#to = to;
    for (const other of this.#audience.children) other.setAttribute('aria-pressed', String(other === button));
    if (!this.#edited) this.#fill();
    this.#preview();
  }

  #fill() {
    const kind = this.#setup.kinds.find(({ name }) => name === this.#form.kind.value);
    if (!kind) return;
    const { data, title, body, link, severity } = structuredClone(kind.sample);
    if (typeof data.user_id === 'string') data.user_id = this.#to.user ?? data.user_id;
    this.#edited = false;
    this.#form.data.value = JSON.stringify(data, null, 2);
    this.#form.title.value = title ?? '';
    this.#form.body.value = body ?? '';
    this.#form.link.value = link ?? '';
    this.#form.severity.value = severity ?? '';
    this.#form.severity.options[0].text = this.#setup.declared ? 'as the kind says' : 'info (default)';
    document.querySelector('.kind-hint').textContent = this.#setup.declared
      ? `${kind.category} · ${kind.severity} · texts come from the kind's templates`
      : 'No kinds are declared, so any kind and data is welcome.';
    this.#tell();
    this.#preview();
  }

  /** The body, or the fault of the data's JSON. */
  #alert() {
    const { kind, data, title, body, link, severity, quiet } = this.#form;
    const alert = { to: this.#to, kind: kind.value, data: JSON.parse(data.value || '{}') };
    for (const field of [title, body, link, severity]) {
      if (field.value.trim()) alert[field.name] = field.value;
    }
    if (quiet.checked) alert.quiet = true;
    return alert;
  }

  #preview() {
    let alert;
    try {
      alert = this.#alert();
    } catch {
      this.#form.data.setAttribute('aria-invalid', 'true');
      return;
    }
    this.#form.data.removeAttribute('aria-invalid');
    const { api_key_file: file } = this.#setup;
    const key = file ? `$(cat ${/^[\w./-]+$/.test(file) ? file : shellWord(file)})` : '$BELFRY_API_KEY';
    this.#curl.textContent = [
      `curl -sS ${location.origin}${this.#base}/v1/alerts \\`,
      `  -H "Authorization: Bearer ${key}" \\`,
      `  -H 'Content-Type: application/json' \\`,
      `  -d ${shellWord(JSON.stringify(alert))}`,
    ].join('\n');
  }

  async #send() {
    let alert;
    try {
      alert = this.#alert();
    } catch (error) {
      this.#form.data.focus();
      return this.#tell('bad', [element('b', 'The data is not valid JSON'), element('span', error.message)]);
    }
    const button = this.#form.querySelector('[type=submit]');
    button.disabled = true;
    try {
      const { ok, status, body } = await this.#post('dev/alerts', alert);
      return ok ? this.#accepted(body) : this.#refused(status, body);
    } catch {
      const text = 'The server does not answer. Nothing was published.';
      return this.#tell('bad', [element('b', 'Not sent'), element('span', text)]);
    } finally {
      button.disabled = false;
    }
  }

  #accepted({ id, recipients, notifications }) {
    const places = notifications.map(({ user, seq }) => `number ${seq} of ${user}`).join(', ');
    const stored = recipients === null ? 'for everyone' : places || `for ${recipients} people`;
    this.#tell('good', [element('b', 'Accepted, and on disk'), element('span', `Stored ${stored}.`), element('small', id)]);
  }

  #refused(status, problem) {
    const nodes = [element('b', `${status} · ${problem?.title ?? 'Refused'}`)];
    if (problem?.detail) nodes.push(prose('span', problem.detail));
    const faults = element('ul');
    for (const { pointer, detail } of problem?.errors ?? []) {
      const fault = prose('li', ` ${detail}`);
      fault.prepend(element('code', pointer || '/'));
      faults.append(fault);
    }
    if (faults.childElementCount > 0) nodes.push(faults);
    if (problem?.code) {
      const more = element('a', `What ${problem.code} means`);
      Object.assign(more, { href: `${this.#base}/docs/errors/${encodeURIComponent(problem.code)}`, target: '_blank', rel: 'noreferrer' });
      nodes.push(more);
    }
    if (problem?.errors?.some(({ pointer }) => pointer.startsWith('/data'))) {
      this.#form.data.setAttribute('aria-invalid', 'true');
    }
    this.#tell('bad', nodes);
  }

  #tell(tone = '', nodes = []) {
    this.#outcome.className = `outcome ${tone}`;
    this.#outcome.replaceChildren(...nodes);
  }

  async #copy(button) {
    try {
      await navigator.clipboard.writeText(this.#curl.textContent);
      button.textContent = 'Copied';
      setTimeout(() => (button.textContent = 'Copy'), 1_500);
    } catch {
      getSelection().selectAllChildren(this.#curl);
    }
  }
}
