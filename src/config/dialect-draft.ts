/** A document on its way into mcpctl's own shape, and where each part of it was written. */
import type { ConfigDocument, JsonValue } from './document.js';
import type { KeyPath } from './position.js';
import type { ConfigProblem } from './schema.js';
import { isObject } from './shape.js';

export type JsonObject = { [key: string]: JsonValue };

/** A normalised document while it is being made: new objects only, so that the written one stays as it is. */
export class Draft {
  readonly value: JsonObject;
  /** Servers by name; the very object that `value` holds. */
  readonly servers: JsonObject;
  readonly problems: ConfigProblem[] = [];
  readonly #origins = new Map<string, KeyPath>();
  /** Objects made here; all others belong to the written document and are never changed. */
  readonly #owned = new WeakSet<object>();

  constructor(readonly written: ConfigDocument) {
    this.value = this.own(written.value as JsonObject);
    this.servers = this.own(emptyObject());
  }

  /** An object that may be changed: this one when it was made here, else a copy. */
  own(value: JsonObject): JsonObject {
    if (this.#owned.has(value)) return value;
    const copy = Object.assign(emptyObject(), value);
    this.#owned.add(copy);
    return copy;
  }

  /** Says that what now stands at `path` was written at `origin`. */
  trace(path: KeyPath, origin: KeyPath): void {
    this.#origins.set(JSON.stringify(path), origin);
  }

  /** Where `path` was written; itself when nothing around it was moved. */
  origin(path: KeyPath): KeyPath {
    for (let length = path.length; length > 0; length--) {
      const origin = this.#origins.get(JSON.stringify(path.slice(0, length)));
      if (origin) return [...origin, ...path.slice(length)];
    }
    return path;
  }

  /** @param origin a path of the written document */
  error(origin: KeyPath, message: string): void {
    this.problems.push(this.written.problem('error', origin, message, { key: true }));
  }

  /** @param origin a path of the written document */
  warn(origin: KeyPath, message: string): void {
    this.problems.push(this.written.problem('warning', origin, message, { key: true }));
  }

  /**
   * Puts `value`, written at `origin`, at `path`. When something stands there already, the same is taken in silence and another
   * value is an error: nobody can know which one was meant.
   *
   * @returns whether it is there now
   */
  put(path: KeyPath, value: JsonValue, origin: KeyPath): boolean {
    let target = this.value;
    for (const [index, key] of path.slice(0, -1).entries()) {
      const child = target[key];
      // Not an object: the check of the shape will say so.
      if (child !== undefined && !isObject(child)) return false;
      if (child === undefined) this.trace(path.slice(0, index + 1), origin.slice(0, -1));
      target = target[key] = this.own(child ?? emptyObject());
    }
    const last = path.at(-1)!;
    const present = target[last];
    if (present === undefined) {
      target[last] = value;
      this.trace(path, origin);
      return true;
    }
    if (JSON.stringify(present) === JSON.stringify(value)) return true;
    const { line } = this.written.position(this.origin(path), { key: true });
    this.error(
      origin,
      `the same as "${path.slice(path[0] === 'mcpServers' ? 2 : 0).join('.')}" in line ${line}, with another value; keep one`,
    );
    return false;
  }
}

/** Without a prototype, as every object of a document. */
function emptyObject(): JsonObject {
  return Object.create(null) as JsonObject;
}
