/** Which events count. Apart from what counts them: a single command only remembers them until its answer is out. */

import type { ManagerEvent } from '../manager/server-status.js';

export type CountedEvent = Extract<
  ManagerEvent,
  { type: 'call-finished' | 'call-retry' | 'server-state' | 'tools-listed' | 'breaker-changed' }
>;

const counted: Readonly<Record<CountedEvent['type'], true>> = {
  'call-finished': true,
  'call-retry': true,
  'server-state': true,
  'tools-listed': true,
  'breaker-changed': true,
};

/** A run that saw none of them has nothing to write down. */
export function isCounted(event: ManagerEvent): event is CountedEvent {
  return (
    Object.hasOwn(counted, event.type) &&
    (event.type !== 'server-state' || event.to === 'connected' || event.from === 'connecting')
  );
}
