/**
 * A browser with many tabs in one process, under one seeded scheduler: its clock, locks, channels and claims behave as
 * browsers' do, also while a tab hangs, is stopped, frozen or killed.
 */

/** Chance that can be repeated. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Task {
  readonly at: number;
  readonly order: number;
  readonly source: string;
  readonly run: () => void;
}

/** One process of the browser: what it has to do waits while it cannot run. */
export class Process {
  readonly tasks: Task[] = [];
  /** When the last task of each source is due: none overtakes it. */
  readonly latest = new Map<string, number>();
  dead = false;
  /** Hung, stopped or frozen. */
  held = false;
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

interface LockRequest {
  readonly process: Process;
  readonly granted: (lock: unknown) => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly signal: AbortSignal | undefined;
}

interface Mouth {
  readonly process: Process;
  onmessage: ((event: MessageEvent) => void) | null;
  postMessage(message: unknown): void;
  close(): void;
}

const aborted = (): DOMException => new DOMException('aborted', 'AbortError');

/** Everything that tabs share. */
export class World {
  now = 1_700_000_000_000;
  readonly random: () => number;
  readonly processes: Process[] = [];
  readonly stored = new Map<string, string>();
  readonly presented = new Map<string, number>();
  readonly holders = new Map<string, LockRequest>();
  readonly queues = new Map<string, LockRequest[]>();
  readonly #mouths = new Map<string, Set<Mouth>>();
  #order = 0;

  constructor(seed: number) {
    this.random = seeded(seed);
  }

  process(name: string): Process {
    const process = new Process(name);
    this.processes.push(process);
    return process;
  }

  /** Something for a process to do, not before `ms` from now. What has one source stays in order. */
  task(process: Process, source: string, ms: number, run: () => void): Task {
    this.#order += 1;
    const at = Math.max(this.now + Math.max(0, ms), process.latest.get(source) ?? 0);
    if (!/timers|chaos/.test(source)) process.latest.set(source, at);
    const task = { at, order: this.#order, source, run };
    if (!process.dead) process.tasks.push(task);
    return task;
  }

  /** A message between processes takes a moment, another one each time. */
  hop(): number {
    return this.random() * 4;
  }

  kill(process: Process): void {
    process.dead = true;
    process.tasks.length = 0;
    for (const mouths of this.#mouths.values()) {
      for (const mouth of mouths) if (mouth.process === process) mouths.delete(mouth);
    }
    for (const queue of this.queues.values()) {
      for (const request of [...queue]) if (request.process === process) queue.splice(queue.indexOf(request), 1);
    }
    for (const [name, holder] of [...this.holders]) {
      if (holder.process !== process) continue;
      this.holders.delete(name);
      this.#grant(name);
    }
  }

  /** Lets time pass: every task that is due runs in a process that can run. */
  async run(ms: number): Promise<void> {
    const end = this.now + ms;
    for (;;) {
      const next = this.#next(end);
      if (!next) break;
      const { process, task } = next;
      process.tasks.splice(process.tasks.indexOf(task), 1);
      this.now = Math.max(this.now, task.at);
      task.run();
      await settle();
    }
    this.now = Math.max(this.now, end);
  }

  /** The earliest task; among those that waited together, sources come in any order, as in browsers. */
  #next(end: number): { process: Process; task: Task } | null {
    let found: { process: Process; task: Task } | null = null;
    for (const process of this.processes) {
      if (process.held || process.dead || !process.tasks.length) continue;
      const due = process.tasks.filter(({ at }) => at <= Math.max(this.now, Math.min(end, this.now)));
      let task: Task | undefined;
      if (due.length > 1) {
        const sources = [...new Set(due.map(({ source }) => source))];
        const source = sources[Math.floor(this.random() * sources.length)];
        task = due.filter((one) => one.source === source).reduce(earlier);
      } else task = process.tasks.reduce(earlier);
      if (task.at <= end && (!found || earlier(task, found.task) === task)) found = { process, task };
    }
    return found;
  }

  locks(process: Process) {
    return {
      request: (
        name: string,
        options: { signal?: AbortSignal; steal?: boolean; ifAvailable?: boolean },
        granted: (lock: unknown) => unknown,
      ): Promise<unknown> =>
        new Promise((resolve, reject) => {
          const { signal } = options;
          const request: LockRequest = {
            process,
            granted: (lock) => {
              signal?.removeEventListener('abort', stop);
              return granted(lock);
            },
            resolve,
            reject,
            signal,
          };
          if (signal?.aborted) return reject(aborted());
          const queue = this.queues.get(name) ?? [];
          this.queues.set(name, queue);
          const holder = this.holders.get(name);
          if (options.steal) {
            this.holders.delete(name);
            if (holder) this.task(holder.process, 'locks', this.hop(), () => holder.reject(aborted()));
            queue.unshift(request);
          } else if (options.ifAvailable && (holder || queue.length)) {
            this.task(process, 'locks', this.hop(), () => resolve(granted(null)));
            return undefined;
          } else queue.push(request);
          const stop = (): void => {
            const at = queue.indexOf(request);
            if (at < 0) return;
            queue.splice(at, 1);
            reject(aborted());
          };
          signal?.addEventListener('abort', stop, { once: true });
          this.#grant(name);
          return undefined;
        }),
    };
  }

  #grant(name: string): void {
    const queue = this.queues.get(name);
    const request = !this.holders.has(name) && queue?.shift();
    if (!request) return;
    this.holders.set(name, request);
    this.task(request.process, 'locks', this.hop(), () => {
      const free = (): void => {
        if (this.holders.get(name) !== request) return;
        this.holders.delete(name);
        this.#grant(name);
      };
      if (request.signal?.aborted) {
        request.reject(aborted());
        return free();
      }
      Promise.resolve(request.granted({ name }))
        .then(request.resolve, request.reject)
        .finally(() => free());
      return undefined;
    });
  }

  channel(process: Process) {
    return (name: string): Mouth => {
      const mouths = this.#mouths.get(name) ?? new Set<Mouth>();
      this.#mouths.set(name, mouths);
      const mouth: Mouth = {
        process,
        onmessage: null,
        postMessage: (message) => {
          if (!mouths.has(mouth)) throw new DOMException('closed', 'InvalidStateError');
          const copy = structuredClone(message);
          for (const other of mouths) {
            if (other === mouth) continue;
            this.task(other.process, `channel ${process.name}`, this.hop(), () => {
              if (mouths.has(other)) other.onmessage?.({ data: copy } as MessageEvent);
            });
          }
        },
        close: () => void mouths.delete(mouth),
      };
      mouths.add(mouth);
      return mouth;
    };
  }

  claims(process: Process) {
    const answer = <T>(value: T): Promise<T> =>
      new Promise((resolve) => this.task(process, 'store', this.hop(), () => resolve(value)));
    return {
      claim: (id: string, at: number): Promise<boolean> => {
        const free = !this.presented.has(id);
        if (free) this.presented.set(id, at);
        return answer(free);
      },
      release: (id: string): Promise<void> => {
        this.presented.delete(id);
        return answer(undefined);
      },
    };
  }
}

const earlier = <T extends Task>(a: T, b: T): T => (b.at < a.at || (b.at === a.at && b.order < a.order) ? b : a);

/** Promises of one task are settled before the next one runs. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 12; turn += 1) await undefined;
}
