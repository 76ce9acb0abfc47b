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
  /** The key the subscription was made with, and its id. */
  readonly key: string;
  readonly keyId: string;
  readonly endpoint: string;
  /** When the server was last told, in milliseconds; 0: it has to be told again. */
  readonly toldAt: number;
}

const STORE = 'owner';

function open(factory: IDBFactory): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = factory.open('belfry-push', 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

async function access(mode: IDBTransactionMode, run: (store: IDBObjectStore) => IDBRequest): Promise<unknown> {
  const database = await open(indexedDB);
  try {
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(STORE, mode);
      const request = run(transaction.objectStore(STORE));
      // Not before it is committed: the page may be closed right after.
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = () => reject(transaction.error);
    });
  } finally {
    database.close();
  }
}

/** Reads it; `null` where nobody did, or where this page may store nothing. */
export async function readOwner(): Promise<PushOwner | null> {
  try {
    return ((await access('readonly', (store) => store.get(STORE))) as PushOwner | undefined) ?? null;
  } catch {
    return null;
  }
}

/** Writes it; `null` forgets it. */
export async function writeOwner(owner: PushOwner | null): Promise<void> {
  await access('readwrite', (store) => (owner ? store.put(owner, STORE) : store.delete(STORE)));
}
