/** Web Locks among the clients of one process: exclusive, in order, stealable, abortable. */

interface Holder {
  readonly steal: () => void;
}

interface Waiter {
  grant(): void;
}

interface LockOptions {
  signal?: AbortSignal;
  steal?: boolean;
  ifAvailable?: boolean;
}

export class FakeLocks {
  readonly #held = new Map<string, Holder>();
  readonly #queues = new Map<string, Waiter[]>();

  request(
    name: string,
    ...rest: [LockOptions, (lock: unknown) => unknown] | [(lock: unknown) => unknown]
  ): Promise<unknown> {
    const [options, run] = rest.length === 2 ? rest : [{}, rest[0]];
    return new Promise((resolve, reject) => {
      const { signal, steal, ifAvailable } = options;
      const aborted = (): DOMException => new DOMException('aborted', 'AbortError');
      if (signal?.aborted) return reject(aborted());
      const grant = (): void => {
        const holder: Holder = { steal: () => reject(new DOMException('stolen', 'AbortError')) };
        this.#held.set(name, holder);
        const free = (): void => {
          if (this.#held.get(name) !== holder) return;
          this.#held.delete(name);
          this.#queues.get(name)?.shift()?.grant();
        };
        Promise.resolve()
          .then(() => run({ name }))
          .then(resolve, reject)
          .finally(free);
      };
      const waiter: Waiter = { grant };
      if (steal) {
        this.#held.get(name)?.steal();
        this.#held.delete(name);
        return grant();
      }
      if (!this.#held.has(name)) return grant();
      if (ifAvailable) {
        Promise.resolve(run(null)).then(resolve, reject);
        return;
      }
      const queue = this.#queues.get(name) ?? [];
      this.#queues.set(name, queue);
      queue.push(waiter);
      signal?.addEventListener('abort', () => {
        const at = queue.indexOf(waiter);
        if (at < 0) return;
        queue.splice(at, 1);
        reject(aborted());
      });
    });
  }
}
