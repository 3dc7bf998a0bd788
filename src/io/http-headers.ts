/** Response headers as fetch shows them, read straight from the message: building a `Headers` for each answer costs more than parsing it. */
import type { IncomingMessage } from 'node:http';

/** Not exposed: cookies are state between requests, which an MCP connection has none of. */
const hidden = new Set(['set-cookie', 'set-cookie2']);

/** Read-only, as the headers of every fetched response are. */
export class ResponseHeaders implements Headers {
  #standard: Headers | undefined;

  constructor(private readonly message: IncomingMessage) {}

  get(name: string): string | null {
    const key = name.toLowerCase();
    const value = hidden.has(key) ? undefined : this.message.headers[key];
    return typeof value === 'string' ? value : null;
  }

  has(name: string): boolean {
    return this.get(name) !== null;
  }

  getSetCookie(): string[] {
    return [];
  }

  forEach(callback: (value: string, name: string, parent: Headers) => void, thisArg?: unknown): void {
    for (const [name, value] of this.#all()) callback.call(thisArg, value, name, this);
  }

  keys() {
    return this.#all().keys();
  }

  values() {
    return this.#all().values();
  }

  entries() {
    return this.#all().entries();
  }

  [Symbol.iterator]() {
    return this.#all()[Symbol.iterator]();
  }

  append(): never {
    return immutable();
  }

  set(): never {
    return immutable();
  }

  delete(): never {
    return immutable();
  }

  /** In fetch's order, which is sorted by name. */
  #all(): Headers {
    if (this.#standard === undefined) {
      this.#standard = new Headers();
      for (const name of Object.keys(this.message.headers)) {
        const value = this.get(name);
        if (value !== null) this.#standard.append(name, value);
      }
    }
    return this.#standard;
  }
}

function immutable(): never {
  throw new TypeError('the headers of a response cannot be changed');
}
