/** Cuts a server's byte stream into lines: bounded memory, each byte searched once, characters never split. */

/** The beginning and the end of a line that was too long to keep. */
export interface OversizeLine {
  readonly head: string;
  /** Only known at the end of the line; empty while the line still goes on. */
  readonly tail: string;
  /** How many bytes have been thrown away so far. */
  readonly bytes: number;
}

export interface LineFramerOptions {
  readonly maxLineBytes: number;
  /** Called when a line passes the limit (`ended` false) and again at its newline (`ended` true). */
  readonly onOversize: (line: OversizeLine, ended: boolean) => void;
}

const newline = 0x0a;
/** How much of an over-long line is kept from its beginning and from its end. */
const keptBytes = 4096;
/** Smaller pieces are copied together: a line that drips in byte by byte must not cost an object per byte. */
const smallPieceBytes = 4096;
const slabBytes = 64 * 1024;

/**
 * `push` takes a chunk, `next` hands out complete lines one by one, so that the reader decides when to yield.
 * Complete lines of a chunk are decoded in one go, invalid UTF-8 as U+FFFD. A newline byte is never part of a longer
 * character, so cutting at newlines first makes decoding safe whatever the chunks are.
 */
export class LineFramer {
  readonly #maxLineBytes: number;
  readonly #onOversize: LineFramerOptions['onOversize'];
  /** Complete lines that were not handed out yet, each with its newline. */
  #text = '';
  #at = 0;
  /** The pieces of the line that has not ended yet; what sits in the slab after `#sealed` comes last. */
  #pieces: Buffer[] = [];
  #pieceBytes = 0;
  #slab: Buffer | null = null;
  #sealed = 0;
  #used = 0;
  #discarding: { head: Buffer; tail: Tail; bytes: number } | null = null;

  constructor(options: LineFramerOptions) {
    this.#maxLineBytes = options.maxLineBytes;
    this.#onOversize = options.onOversize;
  }

  push(chunk: Buffer): void {
    const first = chunk.indexOf(newline);
    if (first === -1) {
      this.#extend(chunk);
      return;
    }
    let start = 0;
    if (this.#pieceBytes > 0 || this.#discarding) {
      this.#extend(chunk.subarray(0, first));
      this.#endLine();
      start = first + 1;
    }
    const last = chunk.lastIndexOf(newline);
    if (last >= start) {
      if (last - start <= this.#maxLineBytes) this.#add(chunk.toString('utf8', start, last + 1));
      else this.#pushEach(chunk, start, last);
    }
    if (last + 1 < chunk.length) this.#extend(chunk.subarray(last + 1));
  }

  /** The next complete line, without its newline; `undefined` when more bytes are needed. */
  next(): string | undefined {
    const end = this.#text.indexOf('\n', this.#at);
    if (end === -1) {
      this.#text = '';
      this.#at = 0;
      return undefined;
    }
    const line = this.#text.slice(this.#at, end);
    this.#at = end + 1;
    return line;
  }

  /** The stream has ended: what is left counts as the last line. */
  end(): void {
    if (this.#pieceBytes > 0 || this.#discarding) this.#endLine();
  }

  /** Lines of one chunk, when one of them may be over the limit. */
  #pushEach(chunk: Buffer, from: number, last: number): void {
    for (let start = from; start <= last; ) {
      const end = chunk.indexOf(newline, start);
      this.#extend(chunk.subarray(start, end));
      this.#endLine();
      start = end + 1;
    }
  }

  #add(lines: string): void {
    this.#text = this.#at < this.#text.length ? this.#text.slice(this.#at) + lines : lines;
    this.#at = 0;
  }

  #extend(piece: Buffer): void {
    if (this.#discarding) {
      this.#discarding.bytes += piece.length;
      this.#discarding.tail.push(piece);
      return;
    }
    this.#pieceBytes += piece.length;
    if (piece.length >= smallPieceBytes) {
      this.#seal();
      this.#pieces.push(piece);
    } else if (piece.length > 0) {
      if (!this.#slab || this.#slab.length - this.#used < piece.length) {
        this.#seal();
        this.#slab = Buffer.allocUnsafe(slabBytes);
        this.#sealed = this.#used = 0;
      }
      this.#used += piece.copy(this.#slab, this.#used);
    }
    if (this.#pieceBytes > this.#maxLineBytes) this.#startDiscarding();
  }

  #seal(): void {
    if (this.#slab && this.#used > this.#sealed) this.#pieces.push(this.#slab.subarray(this.#sealed, this.#used));
    this.#sealed = this.#used;
  }

  #endLine(): void {
    if (this.#discarding) {
      const { head, tail, bytes } = this.#discarding;
      this.#discarding = null;
      this.#onOversize({ head: head.toString('utf8'), tail: tail.toString(), bytes }, true);
      return;
    }
    this.#seal();
    const [only] = this.#pieces;
    const line = this.#pieces.length === 1 && only ? only.toString('utf8') : Buffer.concat(this.#pieces).toString('utf8');
    this.#reset();
    this.#add(`${line}\n`);
  }

  #startDiscarding(): void {
    this.#seal();
    const bytes = this.#pieceBytes;
    // Copies, so that the two ends do not hold on to the whole line.
    const head = Buffer.concat(this.#pieces, Math.min(bytes, keptBytes));
    const tail = new Tail();
    for (const piece of this.#pieces) tail.push(piece);
    this.#discarding = { head, tail, bytes };
    this.#reset();
    this.#onOversize({ head: head.toString('utf8'), tail: '', bytes }, false);
  }

  #reset(): void {
    this.#pieces = [];
    this.#pieceBytes = 0;
    this.#sealed = this.#used = 0;
  }
}

/** The last bytes of a stream, in one buffer that is never replaced: gigabytes may pass. */
class Tail {
  readonly #bytes = Buffer.alloc(keptBytes);
  #length = 0;

  push(piece: Buffer): void {
    const added = piece.length > keptBytes ? piece.subarray(piece.length - keptBytes) : piece;
    const kept = Math.min(this.#length, keptBytes - added.length);
    this.#bytes.copyWithin(0, this.#length - kept, this.#length);
    added.copy(this.#bytes, kept);
    this.#length = kept + added.length;
  }

  toString(): string {
    return this.#bytes.toString('utf8', 0, this.#length);
  }
}
