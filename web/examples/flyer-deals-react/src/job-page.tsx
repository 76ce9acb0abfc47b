import { useEventBus } from '@belfry/react';
import { type ReactNode, useCallback, useEffect, useState } from 'react';
import { api, type Job } from './api.js';
import { follow } from './route.js';

export function JobPage({ id }: { readonly id: string }): ReactNode {
  const [job, setJob] = useState<Job | null>(null);
  const [lost, setLost] = useState(false);
  const load = useCallback(() => void api.job(id).then(setJob, () => setLost(true)), [id]);
  useEffect(load, [load]);
  useEventBus('notification:job', ({ job_id }) => job_id === id && load(), { replay: 'catch-up' });
  if (lost) return <p className="empty">This job is not known any more: the example keeps jobs while it runs.</p>;
  if (job === null) return null;
  return (
    <>
      <h1>{job.name}</h1>
      <p className={`state ${job.status}`}>{words[job.status]}</p>
      <p>{job.message}</p>
      <p>
        <a href="/watch-list" onClick={follow}>
          To the watch list
        </a>
      </p>
    </>
  );
}

const words: Readonly<Record<Job['status'], string>> = { running: 'Running', succeeded: 'Done', failed: 'Failed' };
