/** What all servers share: Node, the store of tokens, processes left behind, the clock, our folders, the manager, open files. */
import { constants, type Stats } from 'node:fs';
import { access, readdir, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { StoreInfo } from '../../auth/token-store.js';
import { formatDuration } from '../../core/duration.js';
import { rootMessage } from '../../core/errors.js';
import { managerLives, readManagerRecord } from '../../io/manager-record.js';
import { findOrphans } from '../../io/orphan-sweep.js';
import { openFileCount, openFileLimit } from '../../io/procfs.js';
import { ownProcess } from '../../io/self.js';
import { type Check, type Finding, found } from './chain.js';
import type { DoctorCode } from './codes.js';
import type { DoctorParts, Skew } from './subject.js';

export interface Machine {
  readonly parts: DoctorParts;
  readonly skews: readonly Skew[];
  readonly isAttended: boolean;
}

/** As in package.json. */
export const oldestNode = '20.19.0';

const skewMs = 5 * 60_000;
/** Logs alone take 20 MiB a server. */
const freeBytes = 64 * 1024 ** 2;
/** A server takes three files and a spare. */
const fewFiles = 256;
/** As long as for everybody else who waits for a keychain; its process starts in 15 s at the latest. */
const keychainMs = 20_000;
const attendedMs = 65_000;
const maxManagers = 20;

export const machineChecks: readonly Check<Machine>[] = [
  { step: 'node', limitMs: 1_000, run: () => checkNode(ownProcess().nodeVersion) },
  {
    step: 'keychain',
    limitMs: ({ isAttended }) => (isAttended ? attendedMs : keychainMs),
    onLimit: 'KEYCHAIN_SILENT',
    run: checkKeychain,
  },
  { step: 'orphans', limitMs: 5_000, run: checkOrphans },
  { step: 'clock', limitMs: 1_000, run: checkClock },
  { step: 'folders', limitMs: 5_000, run: checkFolders },
  { step: 'manager', limitMs: 5_000, run: checkManager },
  { step: 'files', limitMs: 1_000, run: checkFiles },
];

export function checkNode(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [oldMajor = 0, oldMinor = 0] = oldestNode.split('.').map(Number);
  const isOld = major < oldMajor || (major === oldMajor && minor < oldMinor);
  return isOld
    ? found('NODE_TOO_OLD', `Node ${version}; mcpctl needs ${oldestNode}`, 'install a newer Node')
    : found('OK', `Node ${version}`);
}

async function checkKeychain({ parts, isAttended }: Machine, signal: AbortSignal): Promise<Finding> {
  const info = await parts.logins?.describe({ signal, isAttended, writes: true });
  return info ? storeFinding(info) : found('NOT_NEEDED', 'no logins are kept here');
}

export function storeFinding({ store, file, mode, reason, problem }: StoreInfo): Finding {
  if (problem) {
    const codes: Readonly<Record<string, DoctorCode>> = { locked: 'KEYCHAIN_LOCKED', silent: 'KEYCHAIN_SILENT' };
    return found(codes[problem.reason ?? ''] ?? 'STORE_FAILED', problem.message, problem.hint ?? undefined);
  }
  if (store === 'keychain') return found('OK', 'an entry was stored, read and removed');
  if (store === 'memory') return found('NOT_NEEDED', 'tokens are kept in memory');
  if (mode === 'file') return found('NOT_NEEDED', `tokens are kept in the encrypted file ${file}`);
  const what = `${reason ?? 'there is none'}; tokens go to the encrypted file ${file}`;
  return found('KEYCHAIN_ABSENT', what, 'if that is meant: "credentials": { "store": "file" }');
}

/** Every command ends them on its way out; this one only says so. */
function checkOrphans({ parts }: Machine): Finding {
  const { pid, uid } = ownProcess();
  const { victims } = findOrphans({ runtimeDir: parts.config.places.runtimeDir, pid, uid });
  if (victims.length === 0) return found('OK', 'no server has outlived its mcpctl');
  const pids = victims.map((victim) => victim.pid).join(', ');
  const what = victims.length === 1 ? 'a process of a server has' : `${victims.length} processes of servers have`;
  return found(
    'ORPHANS',
    `${what} outlived an mcpctl that was killed: ${pids}`,
    'the next mcpctl command ends them as it ends itself',
  );
}

export function checkClock({ skews }: Pick<Machine, 'skews'>): Finding {
  const worst = [...skews].sort((a, b) => Math.abs(b.aheadMs) - Math.abs(a.aheadMs))[0];
  if (!worst) return found('NOT_NEEDED', 'nobody was asked for the time');
  const size = formatDuration(Math.abs(worst.aheadMs));
  // A Date header has no fraction of a second, and took some time to get here.
  if (Math.abs(worst.aheadMs) <= skewMs)
    return found('OK', Math.abs(worst.aheadMs) < 2_000 ? 'agrees with the servers asked' : `${size} off at most`);
  const what = `${worst.host} is ${size} ${worst.aheadMs > 0 ? 'ahead of' : 'behind'} this machine`;
  return found(
    'CLOCK_SKEW',
    `${what}: tokens and certificates may count as expired`,
    'set the clock (on Linux: timedatectl set-ntp true)',
  );
}

async function checkFolders({ parts }: Machine): Promise<Finding> {
  const { configDir, stateDir, runtimeDir } = parts.config.places;
  let warning: Finding | undefined;
  for (const folder of [configDir, stateDir, runtimeDir]) {
    const finding = await checkFolder(folder);
    if (finding?.code === 'FOLDER_NOT_WRITABLE') return finding;
    warning ??= finding;
  }
  return warning ?? found('OK', `${configDir}, ${stateDir} and ${runtimeDir} are yours alone, with room left`);
}

/** A folder that is missing is made when it is needed, if the one above it allows that. */
async function checkFolder(folder: string): Promise<Finding | undefined> {
  const name = folder;
  let path = folder;
  let facts: Stats | undefined;
  for (;;) {
    facts = await stat(path).catch(() => undefined);
    if (facts || dirname(path) === path) break;
    path = dirname(path);
  }
  try {
    if (facts && !facts.isDirectory())
      return found('FOLDER_NOT_WRITABLE', `${path} is no folder`, `move it away, or name another place: mcpctl config path`);
    await access(path, constants.W_OK | constants.X_OK);
  } catch (error) {
    return found(
      'FOLDER_NOT_WRITABLE',
      `nothing can be written to ${name}: ${rootMessage(error)}`,
      `chmod u+rwx ${path}, or set MCPCTL_CONFIG_DIR, MCPCTL_STATE_DIR or MCPCTL_RUNTIME_DIR`,
    );
  }
  if (path === folder && facts && (facts.mode & 0o022) !== 0)
    return found('FOLDER_OPEN_TO_OTHERS', `others can write to ${folder}`, `chmod go-w ${folder}`);
  const { bavail, bsize } = await statfs(path);
  const left = bavail * bsize;
  if (left < freeBytes)
    return found(
      'DISK_NEARLY_FULL',
      `${Math.floor(left / 1024 ** 2)} MiB are left for ${folder}`,
      'free some space: tokens and logs are written there',
    );
  return undefined;
}

async function checkManager({ parts }: Machine): Promise<Finding> {
  const { runtimeDir } = parts.config.places;
  const { pid, uid } = ownProcess();
  if (parts.longLived) return found('OK', `this is process ${pid}, which keeps the servers connected`);
  const names = await readdir(runtimeDir).catch(() => []);
  const records = names
    .filter((name) => /^manager-[0-9a-f]+\.json$/.test(name))
    .slice(0, maxManagers)
    .map((name) => readManagerRecord(join(runtimeDir, name), uid));
  const living = records.filter((record) => record !== undefined).filter(managerLives);
  if (living.length === 0) return found('OK', 'none is running; mcpctl up starts one');
  const shown = living.map(
    (record) => `process ${record.pid} (mcpctl ${record.version}, since ${record.startedAt.slice(0, 16)}Z)`,
  );
  return found('OK', `running: ${shown.join(', ')}; this command did not ask it`);
}

function checkFiles({ parts }: Machine): Finding {
  const limit = openFileLimit();
  if (limit === null) return found('OK', 'no limit');
  const what = `${openFileCount() ?? '?'} of ${limit} are open`;
  const needed = Math.max(fewFiles, parts.config.servers.size * 8);
  return limit < needed
    ? found('OPEN_FILES_LOW', `${what}, and ${parts.config.servers.size} servers are configured`, `ulimit -n ${needed * 4}`)
    : found('OK', what);
}
