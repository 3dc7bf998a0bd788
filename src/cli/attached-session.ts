/** Commands of those who attached, run in this process as if it were theirs: their folder, their terminal, their wishes. */
import type { Clock } from '../core/clock.js';
import type { Redactor } from '../core/redact.js';
import { sanitizeText } from '../core/sanitize.js';
import type { RunRequest } from '../io/control-channel.js';
import type { Manager } from '../manager/manager.js';
import type { Observation } from '../observe/observation.js';
import type { Host } from './command.js';
import { noteEvents } from './event-notes.js';
import { parse } from './parse.js';
import { createProgress } from './progress.js';
import { registry } from './registry.js';
import { runCommand, type Session } from './run.js';
import type { Terminal } from './terminal.js';

export interface AttachedParts {
  readonly manager: Manager;
  readonly observation: Observation;
  readonly redactor: Redactor;
  readonly clock: Clock;
  readonly version: string;
  readonly host: Host;
}

/** @returns the exit code, or `local` for what has to run where it was typed */
export function runForAttached({ manager, observation, redactor, clock, version, host }: AttachedParts) {
  return async (request: RunRequest, terminal: Terminal, signal: AbortSignal): Promise<number | 'local'> => {
    const { words, front, atPrompt, cwd, json, quiet, verbose, noColor, where, trace } = request;
    const parsed = await parse(words, registry, front).catch(() => undefined);
    if (parsed && (parsed.kind !== 'command' || parsed.spec.here || parsed.spec.host)) return 'local';
    const note = (line: string) => terminal.writeError(`${redactor.redact(sanitizeText(line))}\n`);
    const isVerbose = verbose || (parsed?.globals.verbose ?? false);
    using _ = isVerbose ? noteEvents(manager.events, { level: 'all', note, redact: (text) => redactor.redact(text) }) : undefined;
    // A spinner writes to the terminal of this process; whoever attached gets lines.
    const progressTerminal = { ...terminal, stderrIsTerminal: false };
    const session: Session = {
      front,
      atPrompt,
      terminal,
      redactor,
      cwd,
      defaults: { json, quiet, verbose, noColor },
      version,
      trace,
      open: async () => ({ config: manager.config, manager, observation }),
      host: () => host,
      expireAfter: (ms, onExpire) => clock.after(ms, onExpire),
      progress: createProgress({ clock, redactor, terminal: progressTerminal }),
    };
    // Awaited here: the events are told until the command has ended.
    return await runCommand(words, session, signal, where);
  };
}
