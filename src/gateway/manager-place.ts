/** The place where a manager is met: who may take it, and what a dead one left there. */
import { lstatSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import type { ManagerAddress } from '../config/manager-address.js';
import type { Clock } from '../core/clock.js';
import { McpctlError } from '../core/errors.js';
import { type ManagerRecord, managerLives, readManagerRecord } from '../io/manager-record.js';

/** How long another manager may take to accept a connection before it counts as hung. */
const connectMs = 2_000;

/** Another manager has the place already. */
export class ManagerRunning extends McpctlError {
  constructor(readonly record: ManagerRecord) {
    super('UNAVAILABLE', `A manager is running already (process ${record.pid})`, {
      hint: 'mcpctl status asks it, mcpctl down ends it',
      details: { reason: 'manager-running', pid: record.pid },
    });
  }
}

/** Removes what a dead manager left. Needs the lock. @throws ManagerRunning when somebody answers there, or still runs */
export async function makeRoom(address: ManagerAddress, uid: number | undefined, clock: Clock): Promise<void> {
  const record = readManagerRecord(address.record, uid);
  const answers = await isListening(address.socket, clock);
  if (record && (answers || managerLives(record))) throw new ManagerRunning(record);
  if (answers) {
    throw new McpctlError('UNAVAILABLE', `Somebody else listens on ${address.socket}`, {
      hint: 'a manager that was disturbed is back in a few seconds: try again then, or set MCPCTL_RUNTIME_DIR to a folder of your own',
    });
  }
  rmSync(address.record, { force: true });
  rmSync(address.socket, { force: true });
}

function isListening(path: string, clock: Clock): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const cancel = clock.after(connectMs, () => done(true));
    const done = (answers: boolean) => {
      cancel();
      socket.destroy();
      resolve(answers);
    };
    socket.once('connect', () => done(true));
    socket.once('error', ({ code }: NodeJS.ErrnoException) => done(code !== 'ENOENT' && code !== 'ECONNREFUSED'));
  });
}

/** In a folder that others can write to they could put a socket of theirs in the place of ours. */
export function checkFolder(path: string, uid: number | undefined): void {
  if (uid === undefined) return;
  const facts = lstatSync(path);
  const isOwn = facts.isDirectory() && facts.uid === uid;
  if (isOwn && (facts.mode & 0o022) === 0) return;
  throw new McpctlError('UNAVAILABLE', `${path} is not a folder that only you can write to`, {
    hint: `${isOwn ? `chmod go-w ${path}, or ` : ''}set MCPCTL_RUNTIME_DIR to a folder of your own`,
  });
}
