/** The log that `top` shows, of a server that writes it by the thousand lines. */
import { appendFileSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { expect, it } from 'vitest';
import { linePrefix, logPath } from '../../src/state/log-line.js';
import { tempHome } from '../support/temp-home.js';
import { waitFor } from '../support/wait-for.js';
import { start } from '../unit/cli/top/live-rig.js';

const source = '/config.json';

it('draws 5 000 new lines in a frame each 50 ms at most, and stays where somebody reads further up', {
  timeout: 30_000,
}, async () => {
  await using home = await tempHome();
  const path = logPath(home.stateDir, 'a', source);
  const prefix = linePrefix('2026-03-01T12:00:00.000Z', 1, 'err');
  let written = 0;
  const write = (count: number) => {
    const lines = Array.from({ length: count }, () => `${prefix}line ${written++}\n`);
    appendFileSync(path, lines.join(''));
  };
  mkdirSync(dirname(path), { recursive: true });
  write(30);
  const top = start({ config: { servers: new Map([['a', { file: source }]]), stateDir: home.stateDir } });
  await waitFor(() => top.frames.length > 0);
  /** Time goes on until the screen shows it. */
  const sees = (pattern: RegExp) =>
    waitFor(
      async () => {
        await top.clock.advance(10);
        return pattern.test(top.text());
      },
      { what: () => `${pattern} on\n${top.text()}` },
    );
  await top.press('enter');
  await sees(/following[\s\S]* line 29\n/);
  const before = top.frames.length;
  const from = top.clock.now();
  write(5_000);
  await sees(/ line 5029\n/);
  // A frame for each 50 ms of the lines, and those of the looks.
  const elapsedMs = top.clock.now() - from;
  expect(top.frames.length - before).toBeLessThanOrEqual(elapsedMs / 50 + elapsedMs / 1000 + 2);

  await top.press('up');
  const shown = / line (\d+)\n[^\n]*$/.exec(top.text())![1];
  expect(shown).toBe('5028');
  write(100);
  await sees(/log of a {2}\(101 rows above the end/);
  expect(/ line (\d+)\n[^\n]*$/.exec(top.text())![1]).toBe('5028');
  // The oldest that is kept, and one row down from there.
  await top.press('g');
  await top.press('k');
  await top.press('j');
  expect(top.text()).toMatch(/\(1977 rows above the end[^\n]*\n\S+ line 3131\n/);
  await top.press('q');
  await top.press('q');
  await top.done;
  expect(top.clock.pending({ background: true })).toEqual([]);
});
