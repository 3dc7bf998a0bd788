/** A home with a manager in the background, for the tests of commands that ask it. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findProcesses } from '../support/no-leftovers.js';
import { type CliOptions, runCli } from '../support/run-cli.js';
import type { TempHome } from '../support/temp-home.js';
import { waitFor } from '../support/wait-for.js';
import { documentOf, faultServer, homeWith } from './kit.js';

export interface Up {
  readonly pid: number;
  readonly started: boolean;
  readonly replaced: string | null;
  readonly socket: string;
  readonly log: string;
}

/** A home with a manager in the background, which is ended with the home. */
export async function managed(servers: Record<string, unknown> = { fault: faultServer() }, ...flags: string[]) {
  return managerIn(await homeWith(servers), flags);
}

/** The same in a home that is there; `options` are those of `up` and of every command, the environment for one. */
export async function managerIn(home: TempHome, flags: readonly string[] = [], options: Partial<CliOptions> = {}) {
  const up = documentOf(await runCli(['up', '--json', ...flags], { home, ...options })) as Up;
  const run = (line: string, more: Partial<CliOptions & { input: string }> = {}) =>
    runCli(line.split(' '), { home, ...options, ...more });
  return {
    home,
    up,
    run,
    /** The process of the server: the same one as long as nobody starts another. */
    serverPid: async (more: Partial<CliOptions> = {}) => (await run('call fault/pid', more)).stdout.trim(),
    async [Symbol.asyncDispose]() {
      if (isAlive(up.pid)) process.kill(up.pid, 'SIGKILL');
      await home[Symbol.asyncDispose]();
    },
  };
}

/** Resolves when the call `fault/hang said=<said>` has reached its server: what it says on stderr then stands in its log. */
export async function callArrived({ stateDir }: TempHome, said: string): Promise<void> {
  const folder = join(stateDir, 'logs');
  await waitFor(async () => {
    const files = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.log'));
    const texts = await Promise.all(files.map((name) => readFile(join(folder, name), 'utf8')));
    return texts.some((text) => text.includes(` err ${said}`));
  });
}

export function isAlive(pid: number): boolean {
  return findProcesses('up').some((found) => found.pid === pid);
}

export const managersOf = (home: TempHome) => findProcesses(home.path).filter(({ command }) => command.includes('--foreground'));

export async function recordOf({ up }: { up: Up }): Promise<{ file: string; record: Record<string, unknown> }> {
  const file = up.socket.replace(/\.sock$/, '.json');
  return { file, record: JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown> };
}
