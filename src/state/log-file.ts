/** The file of a log that other processes append to as well, and that is turned over before it grows too large. */

import {
  close,
  closeSync,
  constants,
  fstat,
  fstatSync,
  open,
  openSync,
  renameSync,
  type Stats,
  stat,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import type { Clock } from '../core/clock.js';
import { withFileLock } from '../io/file-lock.js';
import { ensureFolder, ensureFolderSync } from '../io/folders.js';
import { logFiles, logLimits } from './log-line.js';

/*
 * O_APPEND and one write a batch: the system puts the batches of several processes one behind the other. Writing is done at once and
 * not in the background: whoever writes too much waits for the disk, and nothing piles up in memory. Everything that may take longer
 * (opening, looking whether the name still means this file, the lock) is done beside it, in `renew`.
 *
 * Two processes that find the file full must not both turn it over: the second would push a file of a few lines over the one
 * that was just put aside, and 5 MiB of the newest lines would be gone. So it is done under a lock, after looking again, from the
 * oldest to the newest: at every moment each name but the oldest is free before something moves there, and who dies half-way leaves
 * a gap in the numbers and no loss. Who has the file open while another turns it over writes into the old one for a second at most:
 * those lines stay, too. The lock takes a while, so it is asked for when a fifth of the room is left, and writing goes on meanwhile.
 */

export interface LogFileOptions {
  readonly path: string;
  readonly clock: Clock;
  readonly pid: number;
  readonly maxBytes?: number | undefined;
}

/** `due`: written, but `renew` soon. `wait`: not written, `renew` first. */
export type Appended = 'ok' | 'due' | 'wait';

/** Not to hang at a pipe that somebody put there. */
const appending = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;
const mode = 0o600;
/** Nobody holds the lock for longer than a few renames. */
const lockTimeoutMs = 2000;
/** How long the name is believed to mean the same file, and how many bytes of ours the size to be what it was. */
const believedMs = 1000;
const believedBytes = 256 * 1024;

const openFile = promisify(open);
const statsOf = promisify(fstat);

export class LogFile implements AsyncDisposable {
  readonly #options: LogFileOptions;
  readonly #maxBytes: number;
  #file: number | undefined;
  #id = '';
  #size = 0;
  #ownBytes = 0;
  #believedUntil = Number.NEGATIVE_INFINITY;

  constructor(options: LogFileOptions) {
    this.#options = options;
    this.#maxBytes = options.maxBytes ?? logLimits.fileBytes;
  }

  /** Appends whole lines in one piece. @throws the file system's own errors; a part may have been written then */
  append(lines: string): Appended {
    if (this.#file === undefined || this.#options.clock.now() > this.#believedUntil) return 'wait';
    const bytes = Buffer.byteLength(lines);
    if (this.#size > 0 && this.#size + bytes > this.#maxBytes) return 'wait';
    writeWhole(this.#file, lines, bytes);
    this.#size += bytes;
    this.#ownBytes += bytes;
    if (this.#ownBytes > believedBytes) this.#know(fstatSync(this.#file));
    return this.#isDue(this.#size) ? 'due' : 'ok';
  }

  /** The same for the end of the process: whatever is open, however large the file. */
  appendAnyway(lines: string): void {
    ensureFolderSync(dirname(this.#options.path));
    const file = openSync(this.#options.path, appending, mode);
    writeWhole(file, lines, Buffer.byteLength(lines));
    closeSync(file);
  }

  /** Opens the file that has the name now, and turns it over first when it is time. @throws as `append`; McpctlError TIMEOUT */
  async renew(): Promise<void> {
    let named = await this.#named();
    if (named && this.#isDue(named.size)) {
      await this.#turnOver();
      named = undefined;
    }
    if (named && idOf(named) === this.#id) this.#know(named);
    else await this.#open();
    this.#believedUntil = this.#options.clock.now() + believedMs;
  }

  /** The same without waiting, for when there is no time: but it turns nothing over. @throws the file system's own errors */
  renewNow(): void {
    const { path, clock } = this.#options;
    const named = statSync(path, { throwIfNoEntry: false });
    if (named && idOf(named) === this.#id) this.#know(named);
    else {
      ensureFolderSync(dirname(path));
      const file = openSync(path, appending, mode);
      this.#use(file, fstatSync(file));
    }
    this.#believedUntil = clock.now() + believedMs;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    if (file !== undefined) await promisify(close)(file).catch(() => undefined);
  }

  async #open(): Promise<void> {
    const { path } = this.#options;
    const file = await openFile(path, appending, mode).catch(async (error: unknown) => {
      if (!isMissing(error)) throw error;
      await ensureFolder(dirname(path));
      return openFile(path, appending, mode);
    });
    this.#use(file, await statsOf(file));
  }

  #use(file: number, stats: Stats): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = file;
    this.#id = idOf(stats);
    this.#know(stats);
  }

  #know({ size }: Stats): void {
    this.#size = size;
    this.#ownBytes = 0;
  }

  #isDue(size: number): boolean {
    return size > this.#maxBytes * 0.8;
  }

  async #turnOver(): Promise<void> {
    const { path, clock, pid } = this.#options;
    await withFileLock(`${path}.lock`, { clock, pid, timeoutMs: lockTimeoutMs }, async () => {
      const named = await this.#named();
      // Another process was quicker.
      if (!named || !this.#isDue(named.size)) return;
      const names = logFiles(path);
      for (let i = names.length - 1; i > 0; i--) moveIfThere(names[i - 1]!, names[i]!);
    });
  }

  #named(): Promise<Stats | undefined> {
    return promisify(stat)(this.#options.path).catch((error: unknown) => {
      if (!isMissing(error)) throw error;
      return undefined;
    });
  }
}

/** One write, unless the disk is full: then the second one says so. */
function writeWhole(file: number, lines: string, bytes: number): void {
  let written = writeSync(file, lines);
  if (written === bytes) return;
  const all = Buffer.from(lines);
  while (written < bytes) written += writeSync(file, all, written);
}

function idOf({ dev, ino }: Stats): string {
  return `${dev}:${ino}`;
}

function moveIfThere(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}
