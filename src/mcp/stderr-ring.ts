/** Keeps the last lines a server wrote to stderr, in bounded memory, whatever it writes. */

const newline = 0x0a;
/** A longer line is cut into pieces of this size: progress bars never send a newline. */
const maxLineBytes = 8 * 1024;
const maxCharacterBytes = 4;

export interface StderrRingOptions {
  readonly maxLines: number;
  readonly maxBytes: number;
  /** Called for every line, as the server wrote it: sanitise before showing. With `isCut` the next one is the rest of the same line. */
  readonly onLine?: ((line: string, isCut: boolean) => void) | undefined;
}

export class StderrRing {
  readonly #options: StderrRingOptions;
  readonly #lines: string[] = [];
  #size = 0;
  /** The beginning of the line that has not ended yet. */
  #rest: Buffer[] = [];
  #restBytes = 0;

  constructor(options: StderrRingOptions) {
    this.#options = options;
  }

  push(chunk: Buffer): void {
    let start = this.#options.onLine ? 0 : this.#skip(chunk);
    for (;;) {
      const end = chunk.indexOf(newline, start);
      const stop = end === -1 ? chunk.length : end;
      for (let cut = this.#cutIn(chunk, start, stop); cut < stop; cut = this.#cutIn(chunk, start, stop)) {
        this.#keep(chunk.subarray(start, cut));
        this.#endLine(true);
        start = cut;
      }
      if (end !== -1 && this.#restBytes === 0) {
        // Most lines come whole: no copy for them.
        this.#take(chunk.toString('utf8', start, end), false);
      } else {
        if (stop > start) this.#keep(chunk.subarray(start, stop));
        if (end === -1) return;
        this.#endLine();
      }
      start = end + 1;
    }
  }

  /** The stream has ended: an unfinished line is a line. */
  end(): void {
    if (this.#restBytes > 0) this.#endLine();
  }

  /** The last lines, oldest first, raw, with the one that has not ended yet. */
  tail(): readonly string[] {
    const rest = this.#restBytes > 0 ? [withoutReturn(this.#decode())] : [];
    return [...this.#lines, ...rest].slice(-this.#options.maxLines);
  }

  /** When nobody listens to every line, only the end of a chunk can still be in the ring after it: a flood costs next to nothing. */
  #skip(chunk: Buffer): number {
    if (chunk.length <= maxLineBytes) return 0;
    let start = chunk.length;
    for (let lines = 0; lines <= this.#options.maxLines; lines++) {
      const before = start > 0 ? chunk.lastIndexOf(newline, start - 1) : -1;
      if (before === -1) return 0;
      start = before;
    }
    this.#rest = [];
    this.#restBytes = 0;
    return start + 1;
  }

  /** Where the line becomes too long, moved on to the next beginning of a character of UTF-8; `stop` when it is not too long. */
  #cutIn(chunk: Buffer, start: number, stop: number): number {
    const room = maxLineBytes - this.#restBytes;
    let cut = start + Math.max(0, room);
    const last = start + room + maxCharacterBytes - 1;
    while (cut < stop && cut < last && (chunk[cut]! & 0xc0) === 0x80) cut++;
    return Math.min(cut, stop);
  }

  #keep(piece: Buffer): void {
    // A copy: a view would keep the whole chunk in memory.
    this.#rest.push(Buffer.from(piece));
    this.#restBytes += piece.length;
    if (this.#rest.length > 64) this.#rest = [Buffer.concat(this.#rest)];
  }

  #decode(): string {
    return Buffer.concat(this.#rest).toString('utf8');
  }

  #endLine(isCut = false): void {
    const text = this.#decode();
    this.#rest = [];
    this.#restBytes = 0;
    this.#take(text, isCut);
  }

  #take(text: string, isCut: boolean): void {
    const line = withoutReturn(text);
    this.#lines.push(line);
    this.#size += line.length;
    while (this.#lines.length > this.#options.maxLines || (this.#size > this.#options.maxBytes && this.#lines.length > 1)) {
      this.#size -= this.#lines.shift()?.length ?? 0;
    }
    this.#options.onLine?.(line, isCut);
  }
}

function withoutReturn(text: string): string {
  return text.endsWith('\r') ? text.slice(0, -1) : text;
}
