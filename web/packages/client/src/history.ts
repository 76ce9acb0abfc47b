/** The newest page, kept for the next visit by applications that ask for it. Loaded only for those. */

const NAME = 'belfry-history';

function inStore<T>(mode: IDBTransactionMode, run: (store: IDBObjectStore) => IDBRequest): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(NAME, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(NAME);
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const database = opening.result;
      const transaction = database.transaction(NAME, mode);
      const request = run(transaction.objectStore(NAME));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = () => reject(transaction.error);
      database.close();
    };
  });
}

/** What was kept under this name. Whatever storage refuses is as if nothing was. */
export const recall = <T>(name: string): Promise<T | undefined> =>
  inStore<T>('readonly', (store) => store.get(name)).catch(() => undefined);

/** Keeps it; `null` forgets it. */
export const keep = (name: string, state: unknown): Promise<void> =>
  inStore('readwrite', (store) => (state === null ? store.delete(name) : store.put(state, name))).then(
    () => {},
    () => {},
  );
