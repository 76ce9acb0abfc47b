import type { AnyAlert } from '@belfry/client';
import { Announcement, Bell, ConnectionIndicator, Toasts, useBelfry } from '@belfry/react';
import type { ReactNode } from 'react';
import { dealToast } from './deal-toast.js';
import { pathOf } from './deals.js';
import { DealsPage } from './deals-page.js';
import { JobPage } from './job-page.js';
import { OfficePage } from './office-page.js';
import { follow, go, usePath } from './route.js';
import { SessionProvider, usePerson, useSession } from './session.js';
import { SignIn } from './sign-in.js';
import { WatchListPage } from './watch-list-page.js';

export function App(): ReactNode {
  return (
    <SessionProvider>
      <Shop />
    </SessionProvider>
  );
}

function Shop(): ReactNode {
  const { person } = useSession();
  if (person === undefined) return null;
  return person === null ? <SignIn /> : <SignedIn />;
}

function SignedIn(): ReactNode {
  const { locale } = usePerson();
  const client = useBelfry();
  const renderToast = (alert: AnyAlert): Node | null => {
    if (alert.kind !== 'deal-notification') return null;
    return dealToast(alert.data.deals, locale, (path) => {
      // Once it is read, its toast goes, in every tab.
      void client.markRead(alert);
      go(path);
    });
  };
  return (
    <>
      <Announcement onOpen={openDeal} />
      <Header />
      <main>
        <Page />
      </main>
      <Toasts renderToast={renderToast} onOpen={openDeal} />
    </>
  );
}

/** One deal leads to itself; everything else goes where its alert says. */
function openDeal(event: CustomEvent<{ readonly alert: AnyAlert }>): void {
  const { alert } = event.detail;
  if (alert.kind !== 'deal-notification' || alert.data.deals.length !== 1) return;
  event.preventDefault();
  go(pathOf(alert.data.deals));
}

function Header(): ReactNode {
  const { signOut } = useSession();
  const { name } = usePerson();
  return (
    <header className="bar">
      <a className="brand" href="/deals" onClick={follow}>
        Flyer deals
      </a>
      <nav aria-label="Pages">
        <Link to="/deals">Deals</Link>
        <Link to="/watch-list">Watch list</Link>
        <Link to="/office">Office</Link>
      </nav>
      <div className="tools">
        <ConnectionIndicator />
        <Bell onOpen={openDeal} />
        <button className="quiet" type="button" onClick={signOut}>
          Sign out {name}
        </button>
      </div>
    </header>
  );
}

function Link({ to, children }: { readonly to: string; readonly children: string }): ReactNode {
  const here = usePath().startsWith(to);
  return (
    <a href={to} aria-current={here ? 'page' : undefined} onClick={follow}>
      {children}
    </a>
  );
}

function Page(): ReactNode {
  const [, page, rest] = usePath().split('/');
  if (page === 'watch-list') return <WatchListPage />;
  if (page === 'office') return <OfficePage />;
  if (page === 'jobs' && rest !== undefined) return <JobPage id={rest} />;
  return <DealsPage item={rest} />;
}
