/** How the states of servers look: a mark for each and its colour, the same in a table and in the live view. */

import type { ChalkInstance } from 'chalk';
import type { ServerStatus } from '../manager/manager.js';

type Status = ServerStatus['status'];

export const marks = {
  connected: '●',
  connecting: '◌',
  disconnected: '○',
  error: '✗',
  disabled: '–',
  'needs-auth': '!',
  untrusted: '?',
} as const satisfies Record<Status, string>;

const hues = {
  connected: 'green',
  connecting: 'yellow',
  disconnected: 'dim',
  error: 'red',
  disabled: 'dim',
  'needs-auth': 'yellow',
  untrusted: 'yellow',
} as const satisfies Record<Status, keyof ChalkInstance>;

/** The colour of a state, as something that paints a text. */
export function hueOf(status: Status, chalk: ChalkInstance): (text: string) => string {
  return chalk[hues[status]];
}
