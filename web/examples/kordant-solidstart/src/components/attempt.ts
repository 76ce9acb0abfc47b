import { useToast } from './toasts';

/** For changes that need the server: one that fails is said, and the row is as it was. */
export function useAttempt(): (change: Promise<unknown>) => void {
  const toaster = useToast();
  return (change) => {
    change.catch(() => {
      toaster.show({ title: 'That needs a connection. Please try again.', tone: 'warning', key: 'attempt' });
    });
  };
}
