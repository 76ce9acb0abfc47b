/** HomeTitle: public records of the family's property. */

import { finding, oneOf, type Service } from './service';

export const homeTitle: Service<'property-changed'> = {
  name: 'HomeTitle',
  kind: 'property-changed',
  watches: 'Changes to your property records',
  tells: 'family',
  find: (subject) => ({
    kind: 'property-changed',
    data: {
      ...finding(subject),
      service: 'HomeTitle',
      severity: 'warning',
      source: 'The county recorder',
      property: oneOf(['14 Harbor Lane', 'the lake house']),
      ...oneOf([
        { change: 'lien' as const, previous: null, current: 'a lien of $12,400' },
        { change: 'owner' as const, previous: subject.name, current: 'Bluegate Holdings LLC' },
      ]),
    },
  }),
};
