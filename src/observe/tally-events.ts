/** Where events count: the one place that turns what the manager tells into numbers. */

import type { CountedEvent } from './counted-events.js';
import { breakerColumn, column, observe, outcomeColumn, type Row, type Tally } from './tally.js';
import type { ToolLabels } from './tool-labels.js';

/** Adds an event to a row. `isRestart`: the server was connected before. */
export function countRow(row: Row, event: CountedEvent, isRestart: boolean): void {
  const up = (name: keyof typeof column) => {
    row[column[name]]! += 1;
  };
  switch (event.type) {
    case 'call-finished':
      up(outcomeColumn(event.outcome));
      // A call that was never sent, or not waited for, says nothing about how fast its server is.
      if (event.isSent && event.outcome !== 'CANCELLED') observe(row, 'call', event.durationMs);
      break;
    case 'call-retry':
      up('retries');
      break;
    case 'tools-listed':
      up(event.ok ? 'lists' : 'listFailures');
      if (event.ok) observe(row, 'list', event.durationMs);
      break;
    case 'breaker-changed':
      up(breakerColumn[event.to]);
      break;
    case 'server-state':
      if (event.to === 'connected') {
        up('connects');
        if (isRestart) up('restarts');
        if (event.durationMs !== null) observe(row, 'connect', event.durationMs);
      } else if (event.from === 'connecting' && (event.to === 'error' || event.to === 'needs-auth')) up('connectFailures');
  }
}

/** Counts a call under the label of its tool. */
export function countTool({ tools }: Tally, labels: ToolLabels, event: CountedEvent): void {
  if (event.type !== 'call-finished') return;
  const label = labels.labelOf(event.server, event.tool);
  let counts = tools.get(label);
  if (!counts) {
    counts = [0, 0];
    tools.set(label, counts);
  }
  counts[event.outcome === 'ok' ? 0 : 1]++;
}
