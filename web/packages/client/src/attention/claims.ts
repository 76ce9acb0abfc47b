/**
 * Who presents an alert: whoever adds its id to a store of the browser under a unique key. Tabs and the service worker
 * ask the same store, so that an alert is on the screen of a browser once.
 */

/** Names that pages and service worker agree on. They never change with the version of the tabs' protocol. */
export const CLAIMS = { database: 'belfry', store: 'presented', keptMs: 86_400_000 } as const;

function open(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(CLAIMS.database, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore(CLAIMS.store, { keyPath: 'id' }).createIndex('at', 'at');
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

async function change(run: (store: IDBObjectStore) => IDBRequest): Promise<boolean> {
  const database = await open();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(CLAIMS.store, 'readwrite', { durability: 'relaxed' });
      const request = run(transaction.objectStore(CLAIMS.store));
      // Only what was committed counts: two tabs may both get as far as here.
      transaction.oncomplete = () => resolve(true);
      transaction.onabort = () => {
        if (request.error?.name === 'ConstraintError') resolve(false);
        else reject(transaction.error);
      };
    });
  } finally {
    database.close();
  }
}

/** Claims an alert for the caller; `false`: somebody else has it. Rejects where this page may store nothing. */
export function claim(id: string, at: number): Promise<boolean> {
  return change((store) => {
    const old = store.index('at').openKeyCursor(IDBKeyRange.upperBound(at - CLAIMS.keptMs));
    old.onsuccess = () => {
      const cursor = old.result;
      if (!cursor) return;
      store.delete(cursor.primaryKey);
      cursor.continue();
    };
    return store.add({ id, at });
  });
}

/** Gives a claim back: it was not presented after all. */
export async function release(id: string): Promise<void> {
  await change((store) => store.delete(id));
}
