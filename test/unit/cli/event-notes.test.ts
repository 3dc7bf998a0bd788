/** What is told of events on stderr: secrets are masked before a long text is cut. */
import { expect, it } from 'vitest';
import { noteEvents } from '../../../src/cli/event-notes.js';
import { Emitter } from '../../../src/core/events.js';
import { Redactor } from '../../../src/core/redact.js';
import type { ManagerEvent } from '../../../src/manager/server-status.js';

it('shows nothing of a secret that stands where a line of 500 characters is cut', () => {
  const events = new Emitter<ManagerEvent>();
  const redactor = new Redactor();
  const secret = 'very-secret-token-0123456789';
  redactor.add(secret);
  const told: string[] = [];
  using _ = noteEvents(events, { level: 'all', note: (line) => told.push(line), redact: (text) => redactor.redact(text) });
  for (let before = 470; before <= 510; before++) {
    const text = `${'x'.repeat(before)}${secret} and more`;
    events.emit({ type: 'server-stderr', server: 'a', line: text, isCut: false });
    events.emit({ type: 'warning', server: null, message: text });
  }
  expect(told).toHaveLength(82);
  for (const line of told) expect(line).not.toContain('very');
});
