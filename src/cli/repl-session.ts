/** What the REPL and a batch share: a session that understands their lines, and the commands that only they carry out. */

import type { CommandSpec } from './command.js';
import { parse } from './parse.js';
import { registry } from './registry.js';
import type { Session } from './run.js';
import type { Terminal } from './terminal.js';

/** The same session with some of its terminal replaced; its lines may begin with `/mcp` and `/`. */
export function replSession(
  session: Session,
  terminal: Partial<Pick<Terminal, 'ask' | 'readInput' | 'openScreen'>>,
  { atPrompt }: { atPrompt: boolean },
): Session {
  const { progress } = session;
  return {
    front: 'repl',
    atPrompt,
    terminal: overlay(session.terminal, terminal),
    redactor: session.redactor,
    cwd: session.cwd,
    defaults: session.defaults,
    version: session.version,
    open: (globals, stays) => session.open(globals, stays),
    host: (globals) => session.host(globals),
    ...(session.remote ? { remote: session.remote.bind(session) } : {}),
    expireAfter: (ms, onExpire) => session.expireAfter(ms, onExpire),
    ...(progress ? { progress: progress.bind(session) } : {}),
  };
}

/** The command that these words name and that has to be carried out here, because it is about the session itself. */
export async function sessionCommand(words: readonly string[]): Promise<CommandSpec | undefined> {
  const parsed = await parse(words, registry, 'repl').catch(() => undefined);
  return parsed?.kind === 'command' && parsed.spec.scope === 'repl' ? parsed.spec : undefined;
}

/** Getters stay getters: the width of a terminal changes. */
function overlay(base: Terminal, own: Partial<Pick<Terminal, 'ask' | 'readInput' | 'openScreen'>>): Terminal {
  const { ask = base.ask, openScreen = base.openScreen } = own;
  const { openUrl } = base;
  return {
    write: (text) => base.write(text),
    writeError: (text) => base.writeError(text),
    readInput: own.readInput ?? (() => base.readInput()),
    stdoutIsTerminal: base.stdoutIsTerminal,
    stderrIsTerminal: base.stderrIsTerminal,
    colorAllowed: base.colorAllowed,
    get columns() {
      return base.columns;
    },
    ...(ask ? { ask } : {}),
    ...(openUrl ? { openUrl } : {}),
    ...(openScreen ? { openScreen } : {}),
  };
}
