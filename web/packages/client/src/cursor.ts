/** Positions in both streams. Applications treat the text as opaque; the client composes it. */

import type { Cursor } from '@belfry/protocol';

export interface Place {
  readonly epoch: string;
  readonly user: number;
  readonly all: number;
}

/** `null`: the text is no cursor. */
export function parseCursor(text: string | null | undefined): Place | null {
  const parts = /^([^.]+)\.(\d+)\.(\d+)$/.exec(text ?? '');
  return parts && { epoch: String(parts[1]), user: Number(parts[2]), all: Number(parts[3]) };
}

export const cursorText = ({ epoch, user, all }: Place): Cursor => `${epoch}.${user}.${all}`;

/** Whether there is something between: in another epoch everything is. */
export const isBeyond = (there: Place, here: Place): boolean =>
  there.epoch !== here.epoch || there.user > here.user || there.all > here.all;
