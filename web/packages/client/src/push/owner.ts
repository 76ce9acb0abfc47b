/**
 * Who let this browser be pushed to. Kept in IndexedDB, because the service worker has to know it as well: a push for
 * somebody else must not show what it says.
 */

/** The one subscription of this browser, and for whom it was made. */
export interface PushOwner {
  readonly user: string;
  /** The device's id at the server. */
  readonly device: string;
  /** Where the server is. */
  readonly base: string;
  /** The server's key that it was made with, and that key's id. */
  readonly key: string;
  readonly keyId: string;
  readonly endpoint: string;
  /** When the server was last told of it, in milliseconds; 0: it has to be told. */
  readonly toldAt: number;
}

const NAME = 'belfry-push';

function inStore<T>(mode: IDBTransactionMode, run: (store: IDBObjectStore) => IDBRequest): Promise<T> {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(NAME, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(NAME);
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const database = opening.result;
      const transaction = database.transaction(NAME, mode);
      const request = run(transaction.objectStore(NAME));
      // Not before it is committed: the page may be closed right after.
      transaction.oncomplete = () => resolve(request.result as T);
      transaction.onabort = () => reject(transaction.error);
      database.close();
    };
  });
}

/** Reads it; `undefined` where nobody did. */
export const readOwner = (): Promise<PushOwner | undefined> => inStore('readonly', (store) => store.get(NAME));

/** Writes it. */
export const writeOwner = (owner: PushOwner): Promise<void> => inStore('readwrite', (store) => store.put(owner, NAME));

/** Forgets it. */
export const forgetOwner = (): Promise<void> => inStore('readwrite', (store) => store.delete(NAME));
