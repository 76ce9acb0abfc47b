import { type FormEvent, type ReactNode, useEffect, useState } from 'react';
import { api, type Flyer } from './api.js';

/** What a scheduler and an office do in a real shop. */
export function OfficePage(): ReactNode {
  return (
    <>
      <h1>Office</h1>
      <NextFlyer />
      <Announce />
      <Connections />
    </>
  );
}

function NextFlyer(): ReactNode {
  const [flyer, setFlyer] = useState<Flyer | null>(null);
  return (
    <section className="stack">
      <h2>Active Deal Alerts</h2>
      <p>The next store brings its flyer, and the job tells everybody who watches something in it, each once.</p>
      <button type="button" onClick={async () => setFlyer(await api.nextFlyer())}>
        Next flyer
      </button>
      <p role="status">
        {flyer &&
          `${flyer.store ?? 'No store'}: ${count(flyer.deals, 'deal')} for ${count(flyer.people, 'person', 'people')}.`}
      </p>
    </section>
  );
}

function Announce(): ReactNode {
  const [sent, setSent] = useState(false);
  const send = async (event: FormEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault();
    const given = new FormData(event.currentTarget);
    await api.announce(String(given.get('message')), given.get('warning') === null ? 'info' : 'warning');
    setSent(true);
  };
  return (
    <form className="stack" onSubmit={send}>
      <h2>Tell everyone</h2>
      <input
        name="message"
        aria-label="Announcement"
        required
        maxLength={500}
        defaultValue="Prices are updated tonight between 22:00 and 23:00."
      />
      <label className="row">
        <input name="warning" type="checkbox" /> It is a warning
      </label>
      <button type="submit">Announce</button>
      <p role="status">{sent && 'It is on its way.'}</p>
    </form>
  );
}

function Connections(): ReactNode {
  const [now, setNow] = useState<{ connections: number; people: number } | null>(null);
  const look = (): void => void api.connections().then(setNow, () => {});
  useEffect(look, []);
  return (
    <section className="stack">
      <h2>Connections</h2>
      <p role="status">
        {now && `${count(now.people, 'person', 'people')} on ${count(now.connections, 'connection')}.`}
      </p>
      <button className="quiet" type="button" onClick={look}>
        Look again
      </button>
    </section>
  );
}

function count(n: number, one: string, other = `${one}s`): string {
  return `${n} ${n === 1 ? one : other}`;
}
