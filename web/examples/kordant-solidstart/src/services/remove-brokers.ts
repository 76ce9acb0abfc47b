/** RemoveBrokers: listings of the family at data brokers. */

import { finding, oneOf, type Service } from './service';

export const removeBrokers: Service<'broker-listing-found'> = {
  name: 'RemoveBrokers',
  kind: 'broker-listing-found',
  watches: 'Listings at data brokers',
  tells: 'family',
  find: (subject) => ({
    kind: 'broker-listing-found',
    data: {
      ...finding(subject),
      service: 'RemoveBrokers',
      severity: 'warning',
      source: oneOf(['PeopleFinder Example', 'OpenDossier Example', 'WhoIsWhere Example']),
      listed: oneOf([
        ['address', 'phone'],
        ['relatives', 'age'],
        ['address', 'employer', 'income'],
      ]),
      removal_status: oneOf(['not_requested', 'requested']),
    },
  }),
};
