/** What a change makes of a state, as the server's store does it. */

import type { ItemState, Level, StateChange } from '@belfry/protocol';

/** In order: a level only ever rises. */
export const levels: readonly Level[] = ['received', 'displayed', 'seen', 'read', 'acted'];

/** The state after a change. */
export function applied(state: ItemState, to: StateChange): ItemState {
  switch (to) {
    case 'seen':
      return { ...state, seen: true };
    case 'read':
      return { ...state, seen: true, read: true };
    case 'unread':
      return state.archived ? state : { ...state, read: false };
    case 'archived':
      return { ...state, seen: true, read: true, archived: true };
    case 'unarchived':
      return { ...state, archived: false };
    case 'acted':
      return { ...state, seen: true, read: true, acted: true };
  }
}
