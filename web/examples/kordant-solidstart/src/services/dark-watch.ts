/** DarkWatch: data of the family in leaks. */

import type { ExposedField } from '../kinds';
import { finding, oneOf, type Service } from './service';

export const darkWatch: Service<'exposure-detected'> = {
  name: 'DarkWatch',
  kind: 'exposure-detected',
  watches: 'Leaked passwords and personal data',
  tells: 'family',
  find: (subject) => ({
    kind: 'exposure-detected',
    data: {
      ...finding(subject),
      service: 'DarkWatch',
      severity: 'critical',
      source: oneOf(['the Harbor Books leak', 'the Northwind Travel leak', 'the Pixelgram leak']),
      account: `${subject.id.charAt(0)}…@example.com`,
      exposed: oneOf<ExposedField[]>([
        ['email', 'password'],
        ['email', 'phone', 'address'],
        ['email', 'card_number'],
      ]),
    },
  }),
};
