/** The entry: a command goes to the manager that is there; only when there is none, the program itself is loaded. */
import { existsSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { glance, runAttached } from './cli/attach.js';
import { managerAddress } from './config/manager-address.js';
import { findPlaces } from './config/paths.js';
import { systemClock } from './core/clock.js';
import { cancelled, type EndSignal, exitCodes, signalExitCodes } from './core/errors.js';
import { contextOf } from './core/tracing.js';
import { processTerminal } from './process-terminal.js';

declare const __MCPCTL_VERSION__: string;

/** How long a manager may take to cancel a command before we leave without its word. */
const endMs = 3_000;

/** @param cacheFolder where what can be made again at any time is kept; undefined: nowhere */
export async function main(cacheFolder: string | undefined): Promise<void> {
  const code = await runInManager(process.argv.slice(2));
  if (code !== undefined) process.exit(code);
  const { loadProgram } = await import('./program-loader.js');
  const program = loadProgram(join(import.meta.dirname, 'program.cjs'), cacheFolder) as typeof import('./program.js');
  await program.done;
}

/** The exit code of the command, or undefined when this process has to run it. */
async function runInManager(words: readonly string[]): Promise<number | undefined> {
  const { env } = process;
  const { command, config, preset, json, quiet, noAttach, isHere } = glance(words);
  const isJson = json || env.MCPCTL_JSON === '1';
  const cwd = currentFolder();
  if (cwd === undefined) {
    const [message, hint] = ['The current folder does not exist any more', 'cd into one that does'];
    const error = { code: 'USAGE', message, hint };
    process.stderr.write(isJson ? `${JSON.stringify({ error })}\n` : `error: ${message}\nhint: ${hint}\n`);
    return exitCodes.USAGE;
  }
  if (command === undefined || noAttach || isHere || env.MCPCTL_NO_ATTACH === '1') return undefined;
  const uid = process.getuid?.();
  const places = findPlaces(env, homedir(), tmpdir(), uid);
  const address = managerAddress({ places, cwd, files: config, preset, tmp: tmpdir() });
  if (!existsSync(address.record)) return undefined;

  const interruption = new AbortController();
  const terminal = processTerminal(() => interruption.abort(cancelled('SIGTERM')));
  const restore = onSignals((name) => {
    if (interruption.signal.aborted) process.exit(signalExitCodes[name]);
    interruption.abort(cancelled(name));
    systemClock.after(endMs, () => process.exit(signalExitCodes[name]), { background: true });
  });
  const code = await runAttached(
    { address, uid, version: __MCPCTL_VERSION__, clock: systemClock },
    {
      words,
      front: 'shell',
      atPrompt: false,
      cwd,
      json: isJson,
      quiet,
      // The manager reads the other flags in the words.
      verbose: false,
      noColor: false,
      where: '',
      trace: contextOf(env),
    },
    terminal,
    interruption.signal,
  );
  await terminal.drained();
  restore();
  return terminal.brokenCode ?? code;
}

/** Undefined when it has been removed. */
function currentFolder(): string | undefined {
  try {
    return process.cwd();
  } catch {
    return undefined;
  }
}

function onSignals(handle: (name: EndSignal) => void): () => void {
  const names = Object.keys(signalExitCodes) as EndSignal[];
  for (const name of names) process.on(name, handle);
  return () => {
    for (const name of names) process.off(name, handle);
  };
}
