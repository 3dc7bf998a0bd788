/** Following a log: its last lines, then every new one, from one file to the next, without a gap and without a repetition. */

import { type FSWatcher, watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { Clock } from '../core/clock.js';
import type { LogFormat } from './log-line.js';
import { type OpenLogFile, openLogFiles, readTailOf, type TailOptions } from './log-reader.js';

export interface FollowOptions<L> extends TailOptions<L> {
  readonly clock: Clock;
  /** Ends it; then nothing is thrown. */
  readonly signal: AbortSignal;
}

/*
 * The file itself is the queue: what its reader does not take waits there, bounded by the size of a log, and whoever writes it,
 * this process or another, is followed alike. The position in the file decides what is new, so there is nothing to match up.
 */

const blockBytes = 64 * 1024;
const maxLineBytes = 64 * 1024;
/** Where the system does not tell of changes, or the folder is not there yet. */
const lookEveryMs = 1000;
const missingText = 'lines may be missing here: the log was turned over faster than it was read';

/** In between it says so, as a line of its own, when lines were gone before they were read. */
export async function* followLog<L>(path: string, options: FollowOptions<L>): AsyncGenerator<L, void, undefined> {
  const { signal, clock, format, isWanted } = options;
  using changes = new Changes(path, clock, signal);
  const existing = await openLogFiles(path);
  /** The file that is written, behind the one it replaced: who had that open may still add to it. */
  let followed = existing.slice(0, 1).map((file) => new FollowedFile(file, file.size));
  try {
    yield* await readTailOf(existing, options).finally(() => closeAll(existing.slice(1)));
    while (!signal.aborted) {
      changes.forget();
      for (const file of followed) {
        for await (const line of file.newLines(format)) {
          if (signal.aborted) return;
          if (isWanted?.(line) !== false) yield line;
        }
      }
      const last = followed.at(-1);
      const { newer, isBroken } = await filesAfter(path, last);
      if (newer.length > 0) {
        await closeAll(followed.slice(0, -1));
        followed = [...followed.slice(-1), ...newer.map((file) => new FollowedFile(file, 0))];
        if (isBroken) yield format.missing(missingText, clock.date().toISOString());
      } else await changes.next();
    }
  } finally {
    await closeAll(followed);
  }
}

/** The files that came after `last`, oldest first. `isBroken`: `last` is not among the files any more, something may be missing. */
async function filesAfter(
  path: string,
  last: FollowedFile | undefined,
): Promise<{ newer: readonly OpenLogFile[]; isBroken: boolean }> {
  const none = { newer: [], isBroken: false };
  const present = await stat(path).catch(() => undefined);
  if (!present || `${present.dev}:${present.ino}` === last?.id) return none;
  const all = await openLogFiles(path);
  const at = last ? all.findIndex(({ id }) => id === last.id) : all.length;
  const newer = at === -1 ? all : all.slice(0, at);
  await closeAll(all.slice(newer.length));
  return { newer: newer.reverse(), isBroken: at === -1 };
}

async function closeAll(files: readonly AsyncDisposable[]): Promise<void> {
  await Promise.all(files.map((file) => file[Symbol.asyncDispose]()));
}

class FollowedFile implements AsyncDisposable {
  readonly #file: OpenLogFile;
  #position: number;
  /** The beginning of a line that is not whole yet. */
  #rest: Buffer = Buffer.alloc(0);

  constructor(file: OpenLogFile, position: number) {
    this.#file = file;
    this.#position = position;
  }

  get id(): string {
    return this.#file.id;
  }

  /** The lines from the last position to the present end. */
  async *newLines<L>({ parse }: Pick<LogFormat<L>, 'parse'>): AsyncGenerator<L, void, undefined> {
    const { handle } = this.#file;
    const block = Buffer.allocUnsafe(blockBytes);
    for (;;) {
      const { bytesRead } = await handle.read(block, 0, blockBytes, this.#position);
      if (bytesRead === 0) {
        const { size } = await handle.stat();
        if (size >= this.#position) return;
        // Somebody emptied it.
        this.#position = 0;
        this.#rest = Buffer.alloc(0);
        continue;
      }
      this.#position += bytesRead;
      const bytes = Buffer.concat([this.#rest, block.subarray(0, bytesRead)]);
      const end = bytes.lastIndexOf(0x0a);
      this.#rest = end === -1 && bytes.length > maxLineBytes ? Buffer.alloc(0) : bytes.subarray(end + 1);
      if (end === -1) continue;
      for (const text of bytes.toString('utf8', 0, end).split('\n')) {
        const line = parse(text);
        if (line) yield line;
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file[Symbol.asyncDispose]();
  }
}

/** Wakes who waits for the file to change. */
class Changes implements Disposable {
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  #watcher: FSWatcher | undefined;
  #isChanged = false;
  #wake = () => {};

  constructor(path: string, clock: Clock, signal: AbortSignal) {
    this.#clock = clock;
    this.#signal = signal;
    const changed = () => {
      this.#isChanged = true;
      this.#wake();
    };
    signal.addEventListener('abort', changed, { once: true });
    try {
      const name = basename(path);
      this.#watcher = watch(dirname(path), { persistent: false }, (_, file) => {
        if (file === null || file.startsWith(name)) changed();
      });
      this.#watcher.on('error', () => this.#watcher?.close());
    } catch {
      // No folder yet, or no watches left on this machine: it is looked at now and then.
    }
  }

  forget(): void {
    this.#isChanged = false;
  }

  async next(): Promise<void> {
    if (this.#isChanged || this.#signal.aborted) return;
    let cancel = () => {};
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      cancel = this.#clock.after(lookEveryMs, resolve);
    });
    cancel();
  }

  [Symbol.dispose](): void {
    this.#watcher?.close();
  }
}
