/** Bounds one event of an event stream in bytes, while the stream as a whole may go on for ever. */

const lf = 10;
const cr = 13;
const colon = 58;

/**
 * Counts the bytes of the event that is being received (WHATWG HTML, section 9.2: events end at an empty line; lines end in
 * LF, CR LF or CR). Finished comment lines do not count, because a parser drops them: a keep-alive comment is for ever legal.
 */
export class EventLimit {
  #eventBytes = 0;
  #lineBytes = 0;
  #lineIsComment = false;
  #afterCr = false;

  constructor(private readonly maxBytes: number) {}

  /** Takes the next bytes of the stream; false as soon as the current event exceeds the limit. */
  accept(chunk: Uint8Array): boolean {
    let position = 0;
    let nextLf = chunk.indexOf(lf);
    let nextCr = chunk.indexOf(cr);
    while (position < chunk.length) {
      const lineEnd = nextCr === -1 || (nextLf !== -1 && nextLf < nextCr) ? nextLf : nextCr;
      const end = lineEnd === -1 ? chunk.length : lineEnd;
      if (end > position) {
        this.#grow(chunk[position], end - position);
        if (this.#eventBytes + this.#lineBytes > this.maxBytes) return false;
      }
      if (lineEnd === -1) return true;
      if (lineEnd === nextLf) {
        // The LF of a CR LF belongs to the line that the CR ended.
        if (!(this.#afterCr && end === position)) this.#endLine();
        this.#afterCr = false;
        nextLf = chunk.indexOf(lf, lineEnd + 1);
      } else {
        this.#endLine();
        this.#afterCr = true;
        nextCr = chunk.indexOf(cr, lineEnd + 1);
      }
      position = lineEnd + 1;
    }
    return true;
  }

  #grow(first: number | undefined, bytes: number): void {
    if (this.#lineBytes === 0) this.#lineIsComment = first === colon;
    this.#lineBytes += bytes;
    this.#afterCr = false;
  }

  #endLine(): void {
    if (this.#lineBytes === 0) this.#eventBytes = 0;
    else if (!this.#lineIsComment) this.#eventBytes += this.#lineBytes + 1; // a parser keeps one byte for the line end
    this.#lineBytes = 0;
  }
}
