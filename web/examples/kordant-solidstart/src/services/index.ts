/** The five services. */

import { darkWatch } from './dark-watch';
import { homeTitle } from './home-title';
import { removeBrokers } from './remove-brokers';
import type { Service } from './service';
import { spamShield } from './spam-shield';
import { voicePrint } from './voice-print';

export type { Service } from './service';

export type AnyService =
  | typeof darkWatch
  | typeof voicePrint
  | typeof spamShield
  | typeof homeTitle
  | typeof removeBrokers;

export const services: readonly AnyService[] = [darkWatch, voicePrint, spamShield, homeTitle, removeBrokers];

export function serviceOf(kind: Service['kind']): AnyService | undefined {
  return services.find((service) => service.kind === kind);
}
