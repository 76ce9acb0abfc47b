/** What a back end renders is what the client starts from. */

import type { ClientOptions, Snapshot } from '@belfry/client';
import { createPublisher } from '@belfry/node';
import { createTestPublisher } from '@belfry/testing';

const rendered: Snapshot = await createPublisher({ url: 'http://h', apiKey: 'k' }).snapshot('ann');
const options: ClientOptions = { initial: rendered };
options.initial satisfies Snapshot | undefined;
(await createTestPublisher().snapshot('ann')) satisfies Snapshot;
