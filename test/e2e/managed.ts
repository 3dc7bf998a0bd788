/** A home with a manager in the background, for the tests of commands that ask it. */
import { readFile } from 'node:fs/promises';
import { findProcesses } from '../support/no-leftovers.js';
import { type CliOptions, runCli } from '../support/run-cli.js';
import type { TempHome } from '../support/temp-home.js';
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

export function isAlive(pid: number): boolean {
  return findProcesses('up').some((found) => found.pid === pid);
}

export const managersOf = (home: TempHome) => findProcesses(home.path).filter(({ command }) => command.includes('--foreground'));

export async function recordOf({ up }: { up: Up }): Promise<{ file: string; record: Record<string, unknown> }> {
  const file = up.socket.replace(/\.sock$/, '.json');
  return { file, record: JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown> };
}
