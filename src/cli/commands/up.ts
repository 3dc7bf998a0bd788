/** `up`: the manager in the background. Starts it, or finds the one that is there. */

import * as z from 'zod/mini';
import { exitCodes, McpctlError, rootMessage } from '../../core/errors.js';
import type { ManagerRecord } from '../../io/manager-record.js';
import type { BackgroundProcess } from '../../io/self.js';
import { type Attachment, attach, type Unattached } from '../attach.js';
import type { Host, HostContext, Run, Text } from '../command.js';
import { stopManager } from '../stop-manager.js';

export const args = z.object({
  idle: z.optional(z.number()),
  foreground: z._default(z.boolean(), false),
});

export interface UpData {
  readonly pid: number;
  /** False: it was there already. */
  readonly started: boolean;
  /** The version of the manager that was ended for this one; null = there was none. */
  readonly replaced: string | null;
  readonly version: string;
  readonly startedAt: string;
  readonly socket: string;
  readonly log: string;
}

/** A manager listens before it connects anything: this is time for Node to start on a busy machine. */
const startMs = 20_000;
const askEveryMs = 25;

export const run: Run<typeof args, UpData | null, HostContext> = async ({ idle, foreground }, { host, signal, note }) => {
  if (host.isManager) {
    throw new McpctlError('USAGE', 'This session is the manager: commands in other terminals ask it while it is open', {
      hint: 'leave it with /exit, then run mcpctl up for one that stays',
    });
  }
  if (foreground) {
    await host.serve({ idleMs: idle, signal });
    return { data: null };
  }
  let found = await look(host);
  let replaced: string | null = null;
  if ('reason' in found && found.reason === 'version' && found.record.kind === 'up') {
    note(`replacing the manager of mcpctl ${found.record.version} (process ${found.record.pid})`);
    replaced = found.record.version;
    await stopManager(host, signal);
    found = await look(host);
  }
  if ('channel' in found) {
    found.channel.end();
    return { data: describe(found.record, host, false, replaced) };
  }
  if (found.reason !== 'none') throw inTheWay(found);
  return { data: describe(await start(host, idle, signal), host, true, replaced) };
};

async function start(host: Host, idleMs: number | undefined, signal: AbortSignal): Promise<ManagerRecord> {
  const child = await host.startManager({ idleMs }).catch((error: unknown) => {
    throw new McpctlError('UNAVAILABLE', `The manager could not be started: ${rootMessage(error)}`, {
      cause: error,
      hint: `it needs a log, ${host.address.log}; MCPCTL_STATE_DIR puts that into another folder`,
    });
  });
  let ended: number | string | undefined;
  void child.exited.then((how) => {
    ended = how;
  });
  // Whoever gives up waiting for it does not want it any more.
  const onAbort = () => {
    if (ended === undefined) host.kill(child.pid, 'SIGTERM');
  };
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await untilItAnswers(host, signal, child, () => ended);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

async function untilItAnswers(
  host: Host,
  signal: AbortSignal,
  child: BackgroundProcess,
  ended: () => number | string | undefined,
): Promise<ManagerRecord> {
  const deadline = host.clock.now() + startMs;
  for (;;) {
    // Another one may have been quicker: then ours has ended, and that one answers.
    const wasOver = ended();
    const found = await look(host);
    if ('channel' in found) {
      found.channel.end();
      return found.record;
    }
    if (wasOver !== undefined || host.clock.now() > deadline) throw notStarted(wasOver, child, host.address.log);
    await host.clock.sleep(askEveryMs, signal);
  }
}

/** With the error that it ended with, as it stands in its log. */
function notStarted(ended: number | string | undefined, child: BackgroundProcess, log: string): McpctlError {
  const said = /^error: (?<message>.+)(?:\n(?: .*\n)*hint: (?<hint>.+))?/m.exec(child.lastWords())?.groups;
  const how = ended === undefined ? `does not answer after ${startMs / 1000} s` : 'did not start';
  const why = said?.message ?? (ended === undefined ? '' : `it ended with ${ended}`);
  return new McpctlError(
    ended === exitCodes.CONFIG_INVALID ? 'CONFIG_INVALID' : 'UNAVAILABLE',
    `The manager ${how}${why ? `: ${why}` : ''}`,
    { hint: said?.hint ?? `mcpctl up --foreground shows why; so does ${log}`, details: { log, pid: child.pid } },
  );
}

function look(host: Host): Promise<Attachment | Unattached> {
  return attach(host, { onFrame: () => {}, onClose: () => {} });
}

function inTheWay({ reason, record }: Exclude<Unattached, { reason: 'none' }>): McpctlError {
  const what =
    reason === 'version'
      ? `A session of mcpctl ${record.version} is the manager (process ${record.pid})`
      : `The manager (process ${record.pid}) does not answer`;
  return new McpctlError('UNAVAILABLE', what, {
    hint: reason === 'version' ? 'leave it there with /exit' : 'mcpctl down ends it',
    details: { pid: record.pid },
  });
}

function describe(
  { pid, version, startedAt }: ManagerRecord,
  { address }: Host,
  started: boolean,
  replaced: string | null,
): UpData {
  return { pid, started, replaced, version, startedAt, socket: address.socket, log: address.log };
}

export const text: Text<UpData | null> = (data) => {
  if (data === null) return '';
  const { pid, started, startedAt } = data;
  return started
    ? `The manager runs (process ${pid}); mcpctl status asks it, mcpctl down ends it.`
    : `The manager runs already (process ${pid}, since ${startedAt.slice(0, 19).replace('T', ' ')} UTC).`;
};
