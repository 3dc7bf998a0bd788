/** Adds up the events of one run. */

import type { CountedEvent } from './counted-events.js';
import { newTally, type Tally } from './tally.js';
import { countRow, countTool } from './tally-events.js';
import { ToolLabels } from './tool-labels.js';

/**
 * @param connected servers that were connected before; those that connect are added
 * @param redact takes secrets out of names that servers chose
 */
export function sumUp(
  events: readonly CountedEvent[],
  connected: Set<string>,
  redact: (text: string) => string,
): Map<string, Tally> {
  const tallies = new Map<string, Tally>();
  const labels = new ToolLabels(redact);
  for (const event of events) {
    const { server } = event;
    let tally = tallies.get(server);
    if (!tally) {
      tally = newTally();
      tallies.set(server, tally);
    }
    countRow(tally.row, event, connected.has(server));
    countTool(tally, labels, event);
    if (event.type === 'server-state' && event.to === 'connected') connected.add(server);
  }
  return tallies;
}
