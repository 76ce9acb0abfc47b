import { type Accessor, createSignal, onCleanup, onMount } from 'solid-js';

/** The time, every half minute: ages on the page move with it. */
export function createNow(): Accessor<number> {
  const [now, setNow] = createSignal(Date.now());
  onMount(() => {
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 30_000);
    onCleanup(() => clearInterval(timer));
  });
  return now;
}
