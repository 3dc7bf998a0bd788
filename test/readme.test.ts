/** README.md shows a real session: the test types its lines on a terminal and compares what the terminal then shows. */
import { describe, expect, it } from 'vitest';
import { renderScreen } from './e2e/screen.js';
import { block, root, runBlock } from './support/doc-examples.js';
import { findProcesses } from './support/no-leftovers.js';
import { tempHome } from './support/temp-home.js';
import { keys, startTerminal } from './support/terminal.js';
import { waitFor } from './support/wait-for.js';

const readme = (name: string) => block('README.md', name);
const prompt = 'mcpctl> ';
const size = { columns: 100, rows: 60 };

/** What differs from run to run: times, and with them the width of columns and the order in which servers come up. */
function normalised(text: string): string {
  const lines = text
    .split('\n')
    .map((line) =>
      line
        .replace(/\d+(\.\d+)? m?s\b/g, 'TIME')
        .replace(/process \d+/g, 'process PID')
        .replace(/^mcpctl \d+\.\d+\.\d+/, 'mcpctl VERSION')
        .replace(/ +/g, ' ')
        .trimEnd(),
    )
    .filter((line) => line !== '' && line !== prompt.trim());
  const isUp = (line: string) => /^\+ /.test(line);
  // Neighbouring "+" lines in one order.
  for (let i = 0; i < lines.length; i++) {
    if (!isUp(lines[i]!)) continue;
    let end = i;
    while (end < lines.length && isUp(lines[end]!)) end++;
    lines.splice(i, end - i, ...lines.slice(i, end).sort());
    i = end;
  }
  return lines.join('\n');
}

describe('README.md', () => {
  it('shows a REPL session as it is, with a server that is killed and comes back', async () => {
    await using home = await tempHome();
    await using terminal = startTerminal(['-c', '.mcp.example.json'], { home, cwd: root, env: { TMPDIR: home.path }, ...size });
    const shown = () => renderScreen(terminal.raw, size.columns, size.rows).rows.join('\n');
    for (const name of ['everything', 'filesystem', 'memory']) await terminal.waitFor(`+ ${name} connected`);

    const type = async (lines: readonly string[]) => {
      for (const line of lines) {
        const before = shown().split(prompt.trim()).length;
        terminal.type(`${line}${keys.enter}`);
        if (line === '/exit') break;
        const what = () => `an answer to "${line}" in\n${shown()}`;
        await waitFor(() => shown().split(prompt.trim()).length > before && shown().endsWith(prompt.trim()), {
          timeoutMs: 10_000,
          what,
        });
      }
    };
    const typedIn = (text: string) => [...text.matchAll(/^mcpctl> (.+)$/gm)].map(([, line]) => line!);

    await type(typedIn(readme('session')));
    const [victim] = findProcesses(home.path).filter(({ command }) => command.includes('server-filesystem'));
    const after = terminal.text.length;
    process.kill(victim!.pid, 'SIGKILL');
    await terminal.waitFor('+ filesystem connected', { after });
    await type(typedIn(readme('killed')));
    expect(await terminal.exited).toEqual({ code: 0, signal: undefined });
    expect(normalised(shown())).toBe(normalised(`${readme('session')}\n${readme('killed')}`));
  });

  it.each([
    ['what a script gets: results on stdout, errors on stderr, and exit codes', 'script'],
    ['a manager that stays', 'manager'],
  ])('shows %s', async (_, name) => {
    await using home = await tempHome();
    const options = { home, cwd: root, env: { TMPDIR: home.path }, extra: ['-c', '.mcp.example.json'] };
    const runs = await runBlock(readme(name), options);
    expect(runs.length).toBeGreaterThanOrEqual(3);
    for (const { line, real, shown } of runs) expect(normalised(real), line).toBe(normalised(shown));
  });
});
