/** Ends the manager of an address: asks it first, and ends a hung one by signals. Returns when the process is gone. */
import { McpctlError } from '../core/errors.js';
import { type ManagerRecord, managerLives, readManagerRecord } from '../io/manager-record.js';
import { attach } from './attach.js';
import type { Host } from './command.js';

export interface Stopped {
  /** Null: there was none. */
  readonly pid: number | null;
  readonly how: 'asked' | 'SIGTERM' | 'SIGKILL' | null;
}

/** Calls may end for a moment, and every server gets its grace: a manager that takes longer hangs. */
const askedMs = 8_000;
const signalMs = 3_000;
const lookEveryMs = 20;

/** @throws NO_MANAGER when a REPL is the manager: that one is somebody's window */
export async function stopManager(host: Host, signal: AbortSignal): Promise<Stopped> {
  const record = readManagerRecord(host.address.record, host.uid);
  if (!record) return { pid: null, how: null };
  const { pid } = record;
  if (record.kind === 'repl') {
    throw new McpctlError('NO_MANAGER', `The manager is an open session (process ${pid}), not one in the background`, {
      hint: 'leave it there with /exit',
      details: { pid },
    });
  }
  let heard = () => {};
  const stopping = new Promise<void>((resolve) => {
    heard = resolve;
  });
  const attached = await attach({ ...host, version: record.version }, { onFrame: heard, onClose: heard });
  if ('channel' in attached) {
    await attached.channel.send({ t: 'stop' });
    await stopping;
    attached.channel.end();
    if (await goneWithin(askedMs, record, host, signal)) return { pid, how: 'asked' };
  } else if (!managerLives(record)) return { pid: null, how: null };
  for (const how of ['SIGTERM', 'SIGKILL'] as const) {
    // Never a stranger: the number may have been given away since.
    if (managerLives(record)) host.kill(pid, how);
    // One that was stopped sees the signal only when it goes on.
    if (managerLives(record)) host.kill(pid, 'SIGCONT');
    if (await goneWithin(signalMs, record, host, signal)) return { pid, how };
  }
  throw new McpctlError('UNAVAILABLE', `The manager (process ${pid}) cannot be ended`, { details: { pid } });
}

async function goneWithin(ms: number, record: ManagerRecord, { clock }: Host, signal: AbortSignal): Promise<boolean> {
  const deadline = clock.now() + ms;
  while (managerLives(record)) {
    if (clock.now() > deadline) return false;
    await clock.sleep(lookEveryMs, signal);
  }
  return true;
}
