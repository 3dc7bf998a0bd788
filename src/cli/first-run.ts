/** The first start: nothing is configured, so mcpctl says what it is and offers to add a server before the prompt comes. */

import { serverSections } from '../config/dialect-signs.js';
import { JsoncDocument, type JsonValue, valueAt } from '../config/document.js';
import type { Env, Places } from '../config/paths.js';
import { findProject } from '../config/project.js';
import { exists } from '../config/read-file.js';
import { isObject } from '../config/shape.js';
import { sanitizeLine } from '../core/sanitize.js';
import { readTextIfExists } from '../io/atomic-file.js';
import { printError, type Session } from './run.js';

export interface FirstRunOptions {
  readonly session: Session;
  readonly places: Places;
  readonly env: Env;
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  /** End signals: the offer ends with them. */
  readonly signal: AbortSignal;
}

/** A file without servers is small; a larger one is left to the load. */
const maxBytes = 64 * 1024;

/**
 * Offers to add a first server when there is none. Only for a terminal, and before anything else reads its keys.
 *
 * @returns whether a server was added; whatever keeps it from that is told, never thrown
 */
export async function offerFirstServer(options: FirstRunOptions): Promise<boolean> {
  const { session, places, stdout, signal } = options;
  if (signal.aborted || !(await isUnconfigured(places, session.cwd))) return false;
  stdout.write(
    `mcpctl ${session.version} keeps MCP servers connected and calls their tools: from here, from scripts, from other programs.\n` +
      `No server is configured yet. What you add goes into ${sanitizeLine(places.userFile)}.\n` +
      'Ctrl-C leaves this out; `add` at the prompt does the same at any time.\n\n',
  );
  try {
    const { askForServer } = await import('./guided-add.js');
    return await askForServer(options);
  } catch (error) {
    printError(error, { json: false, verbose: session.defaults.verbose ?? false }, session);
    return false;
  }
}

/** Whether no file that would be read names a server. A broken file is no first start: its errors are to be seen. */
async function isUnconfigured({ userFile, userToml }: Places, cwd: string): Promise<boolean> {
  if (await exists(userToml)) return false;
  const text = await readTextIfExists(userFile, { maxBytes }).catch(() => '!');
  if (text !== undefined && text.trim() !== '') {
    const { problems, value } = JsoncDocument.parse(userFile, text);
    if (problems.length > 0 || !isObject(value) || namesServers(value)) return false;
  }
  return findProject(cwd) === undefined;
}

function namesServers(value: JsonValue): boolean {
  return serverSections.some((section) => {
    const servers = valueAt(value, section);
    return isObject(servers) && Object.keys(servers).length > 0;
  });
}
