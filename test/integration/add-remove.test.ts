/** `add` and `remove` where a project's file has a server of the same name, and where the manager takes changes over. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { CommandContext } from '../../src/cli/command.js';
import { run as add } from '../../src/cli/commands/add.js';
import { run as remove } from '../../src/cli/commands/remove.js';
import { McpctlError } from '../../src/core/errors.js';
import { loadFor, serverOf } from '../support/load-config.js';
import { type TempHome, tempHome } from '../support/temp-home.js';

/** The context of a command; the server `shared` is defined in a project's file as well. */
async function contextOf(home: TempHome, reload: () => Promise<void> = async () => {}) {
  const config = await loadFor(home, {
    files: [await home.write('project/.mcp.json', { mcpServers: { shared: { command: 'p' } } })],
  });
  const shared = { ...serverOf(config, 'shared'), source: 'project' as const };
  const notes: string[] = [];
  const context = {
    config: { ...config, files: [], servers: new Map([['shared', shared]]) },
    manager: { reload },
    signal: new AbortController().signal,
    note: (text: string) => void notes.push(text),
  } as unknown as CommandContext;
  return { context, notes, file: config.places.userFile, project: join(home.projectDir, '.mcp.json') };
}

const typed = { command: ['x'], transport: undefined, header: [], env: [], cwd: undefined };
const namesIn = async (file: string) => Object.keys(JSON.parse(await readFile(file, 'utf8')).mcpServers);

describe('a server that a project defines too', () => {
  it('can be added, with a warning that the project’s counts, and removed again, with one that it stays', async () => {
    await using home = await tempHome();
    const { context, notes, file, project } = await contextOf(home);
    await add({ name: 'shared', ...typed }, context);
    expect(await namesIn(file)).toEqual(['shared']);
    await remove({ name: 'shared' }, context);
    expect(await namesIn(file)).toEqual([]);
    expect(notes).toEqual([
      `warning: ${project} has a server "shared" as well, and that one counts here`,
      `warning: the server "shared" of ${project} stays; mcpctl disable shared switches it off`,
    ]);
  });

  it('cannot be removed when it is the project’s alone: the error names the file and disable', async () => {
    await using home = await tempHome();
    const { context, project } = await contextOf(home);
    await expect(remove({ name: 'shared' }, context)).rejects.toMatchObject({
      code: 'USAGE',
      message: `The server "shared" is defined in ${project}, which mcpctl never writes`,
      hint: expect.stringContaining('mcpctl disable shared'),
    });
    expect(await namesIn(project)).toEqual(['shared']);
  });
});

describe('a manager that goes on', () => {
  it('is told of each change after it is on the disk; when it cannot follow, the change stays and a warning says so', async () => {
    await using home = await tempHome();
    const seen: string[][] = [];
    const { context, notes, file } = await contextOf(home, async () => {
      seen.push(await namesIn(file));
      if (seen.length === 2) throw new McpctlError('CONFIG_INVALID', 'elsewhere.json:1:1: broken');
    });
    await add({ name: 'a', ...typed }, context);
    await remove({ name: 'a' }, context);
    expect(seen).toEqual([['a'], []]);
    expect(notes).toEqual(['warning: the running servers are as before: elsewhere.json:1:1: broken']);
  });
});
