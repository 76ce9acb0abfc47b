/** VoicePrint: recordings that imitate a voice of the family. */

import { finding, oneOf, type Service } from './service';

export const voicePrint: Service<'synthetic-voice-found'> = {
  name: 'VoicePrint',
  kind: 'synthetic-voice-found',
  watches: 'Calls with an imitated voice',
  tells: 'family',
  find: (subject) => ({
    kind: 'synthetic-voice-found',
    data: {
      ...finding(subject),
      service: 'VoicePrint',
      severity: 'critical',
      source: oneOf(['+1 555 0142', '+1 555 0177', 'a voice message']),
      confidence: oneOf([0.94, 0.97, 0.99]),
      caller_claim: oneOf(['a grandchild in trouble', 'a lawyer', 'a colleague']),
    },
  }),
};
