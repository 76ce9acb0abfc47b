/** SpamShield: calls and messages that were blocked. It concerns nobody but the person who was called. */

import { finding, oneOf, type Service } from './service';

export const spamShield: Service<'spam-blocked'> = {
  name: 'SpamShield',
  kind: 'spam-blocked',
  watches: 'Spam calls and messages',
  tells: 'person',
  find: (subject) => ({
    kind: 'spam-blocked',
    data: {
      ...finding(subject),
      service: 'SpamShield',
      severity: 'info',
      source: oneOf(['+1 555 0100', '+1 555 0119', '+1 555 0163']),
      channel: oneOf(['call', 'text_message', 'voicemail']),
      reason: oneOf(['parcel fraud', 'prize draw', 'tax refund']),
      blocked_count: oneOf([1, 3, 12]),
    },
  }),
};
