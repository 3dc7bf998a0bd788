/** README.md shows a real session: the test types its lines on a terminal and compares what the terminal then shows. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { renderScreen } from './e2e/screen.js';
import { findProcesses } from './support/no-leftovers.js';
import { runCli } from './support/run-cli.js';
import { tempHome } from './support/temp-home.js';
import { keys, startTerminal } from './support/terminal.js';
import { waitFor } from './support/wait-for.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const readme = readFileSync(`${root}/README.md`, 'utf8');
const prompt = 'mcpctl> ';
const size = { columns: 100, rows: 60 };

/** The text between `<!-- name -->` and the end of the next fenced block, without the fence. */
function block(name: string): string {
  const found = new RegExp(`<!-- ${name} -->\n\`\`\`\\w*\n([\\s\\S]*?)\n\`\`\``).exec(readme)?.[1];
  if (found === undefined) throw new Error(`README.md has no block <!-- ${name} -->`);
  return found;
}

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

    await type(typedIn(block('session')));
    const [victim] = findProcesses(home.path).filter(({ command }) => command.includes('server-filesystem'));
    const after = terminal.text.length;
    process.kill(victim!.pid, 'SIGKILL');
    await terminal.waitFor('+ filesystem connected', { after });
    await type(typedIn(block('killed')));
    expect(await terminal.exited).toEqual({ code: 0, signal: undefined });
    expect(normalised(shown())).toBe(normalised(`${block('session')}\n${block('killed')}`));
  });

  it.each([
    ['what a script gets: results on stdout, errors on stderr, and exit codes', 'script'],
    ['a manager that stays', 'manager'],
  ])('shows %s', async (_, name) => {
    await using home = await tempHome();
    const runs = block(name)
      .split(/^\$ /m)
      .slice(1)
      .map((run) => run.split('\n'));
    expect(runs.length).toBeGreaterThanOrEqual(3);
    for (const [line, ...expected] of runs) {
      const words = line!.replace(/; echo \$\?$/, '').split(' ');
      expect(words.shift()).toBe('mcpctl');
      const options = { home, cwd: root, env: { TMPDIR: home.path } };
      const { stdout, stderr, code } = await runCli(['-c', '.mcp.example.json', ...words], options);
      const all = `${stdout}${stderr}${line!.endsWith('echo $?') ? `${code}\n` : ''}`;
      expect(normalised(all), line).toBe(normalised(expected.join('\n')));
    }
  });
});
