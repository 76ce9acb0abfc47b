import { type FormEvent, type ReactNode, useEffect, useState } from 'react';
import { api, type Watched } from './api.js';
import { price } from './deals.js';
import { go } from './route.js';
import { usePerson } from './session.js';

export function WatchListPage(): ReactNode {
  const { locale } = usePerson();
  const [items, setItems] = useState<readonly Watched[]>([]);
  useEffect(() => {
    api.watchList().then(setItems, () => {});
  }, []);
  const add = async (event: FormEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault();
    const form = event.currentTarget;
    const given = new FormData(form);
    const cents = Math.round(Number(given.get('price')) * 100);
    setItems(await api.watch({ item_name: String(given.get('item')), at_most_in_cents: cents }));
    form.reset();
  };
  return (
    <>
      <h1>Watch list</h1>
      <ul className="deals">
        {items.map(({ item_name, at_most_in_cents }) => (
          <li key={item_name}>
            <span className="item">{item_name}</span>
            <span className="store">at most {price(at_most_in_cents, locale)}</span>
            <button
              className="quiet"
              type="button"
              aria-label={`Remove ${item_name}`}
              onClick={async () => setItems(await api.unwatch(item_name))}
            >
              Remove
            </button>
          </li>
        ))}
      </ul>
      <form className="row" onSubmit={add}>
        <input name="item" aria-label="Item" placeholder="Item" required maxLength={200} />
        <input
          name="price"
          aria-label="At most, in euros"
          placeholder="At most"
          type="number"
          min="0.01"
          step="0.01"
          required
        />
        <button type="submit">Add</button>
      </form>
      <Import />
    </>
  );
}

/** The reading goes on in the background; an alert says when it is done, wherever the person is by then. */
function Import(): ReactNode {
  const read = async (event: FormEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault();
    const { id } = await api.importList(String(new FormData(event.currentTarget).get('list')));
    go(`/jobs/${id}`);
  };
  return (
    <form className="stack" onSubmit={read}>
      <h2>Paste a list</h2>
      <textarea
        name="list"
        aria-label="One item and its price per line"
        rows={4}
        required
        defaultValue={'Tofu, 400 g 2.00\nAvocados, 4 pieces 3.00'}
      />
      <button type="submit">Import</button>
    </form>
  );
}
