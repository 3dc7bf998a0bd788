/** How this process ends: by signals, by bugs, and always without leaving a server behind. */
import type { Clock } from './core/clock.js';
import { cancelled, type EndSignal, exitCodeFor, signalExitCodes } from './core/errors.js';

/** How long the clean end of everything may take after a signal, in milliseconds. */
const endMs = 3000;

/** A second Ctrl-C within this many milliseconds does not wait for anything. */
const secondSignalMs = 2000;

/** Aborts `interruption` at the first signal; ends the process at a quick second one, or when the clean end takes too long. */
export function handleSignals({
  interruption,
  clock,
  onExit,
}: {
  interruption: AbortController;
  clock: Clock;
  onExit: () => void;
}): void {
  let firstAt = Number.NEGATIVE_INFINITY;
  for (const name of Object.keys(signalExitCodes) as EndSignal[]) {
    process.on(name, () => {
      const now = clock.now();
      if (interruption.signal.aborted && name === 'SIGINT' && now - firstAt < secondSignalMs) process.exit(signalExitCodes[name]);
      firstAt = now;
      interruption.abort(cancelled(name));
      clock.after(endMs, () => process.exit(signalExitCodes[name]), { background: true });
    });
  }
  // Whatever way the process ends: no server outlives it.
  process.on('exit', onExit);
}

/** What nobody caught is a bug of ours: told without secrets, and nothing is left running. */
export function handleBugs(makeSafe: (text: string) => string): void {
  const onBug = (error: unknown) => {
    const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stderr.write(`${makeSafe(`error: internal error, please report it\n${detail}`)}\n`);
    process.exit(exitCodeFor(error));
  };
  process.on('uncaughtException', onBug);
  process.on('unhandledRejection', onBug);
  // The end is always explicit, so this is an end without an answer.
  process.on('beforeExit', () => onBug(new Error('nothing is left to wait for, but the command is not done')));
}

/** The SDK reports odd servers on the console; that would mix their words, raw, into our output. */
export function silenceLibraries(): void {
  const quiet = () => {};
  Object.assign(globalThis.console, { debug: quiet, log: quiet, info: quiet, warn: quiet, error: quiet });
}
