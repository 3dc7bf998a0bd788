/** Loads the program with what V8 compiled of it before, a third off a single call: for Node 20, as newer ones do it by themselves. */
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as nodeModule from 'node:module';
import { basename, dirname, join } from 'node:path';
import { Script } from 'node:vm';
import { systemClock } from './core/clock.js';
import { ensureFolderSync } from './io/folders.js';

declare const __BUILD__: string;

/** From Node 22.1 on, bin/mcpctl.js asks Node to keep compiled code. @param entry the program, a CommonJS file whose relative requires have their whole names */
export function loadProgram(entry: string, cacheFolder: string | undefined): unknown {
  const native = nodeModule.createRequire(entry);
  const isOff = cacheFolder === undefined || process.env.NODE_DISABLE_COMPILE_CACHE;
  if ('enableCompileCache' in nodeModule || isOff) return native(entry);
  const compiled = new CompiledCode(cacheFolder);
  process.once('exit', () => {
    try {
      compiled.keep();
    } catch {
      // The next start is as slow as this one.
    }
  });
  const modules = new Map<string, { exports: unknown }>();
  const load = (file: string): unknown => {
    const known = modules.get(file);
    if (known) return known.exports;
    const module = { exports: {} };
    modules.set(file, module);
    const folder = dirname(file);
    const require = (id: string) => (id.startsWith('.') ? load(join(folder, id)) : native(id));
    try {
      compiled.script(file).runInThisContext()(module.exports, require, module, file, folder);
    } catch (error) {
      // No file could be opened just now, for one: whoever asks next tries again, as with Node's own loader.
      modules.delete(file);
      throw error;
    }
    return module.exports;
  };
  return load(entry);
}

/** What the code of one source was compiled to, within the file of all. */
interface Entry {
  readonly at: number;
  readonly bytes: number;
  /** V8 looks at versions, flags and the length of the source, but not for damage, which would end the process. */
  readonly sha256: string;
}

interface Header {
  /** Characters of all sources that were loaded when it was written. */
  readonly loaded: number;
  readonly entries: Readonly<Record<string, Entry>>;
}

/** As Node wraps it. */
const wrapper = {
  head: Buffer.from('(function (exports, require, module, __filename, __dirname) {'),
  tail: Buffer.from('\n})'),
};

const maxAgeMs = 30 * 86_400_000;

/**
 * One file for all sources of a build: a line of JSON, then the code of each. It is written at the end of a process that has loaded
 * more of the program than those before: then it has the functions of the commands which that one ran.
 */
class CompiledCode {
  readonly #path: string;
  #header: Header = { loaded: 0, entries: {} };
  /** Most is taken within the first moments; a process that stays need not hold it. */
  #kept: WeakRef<Buffer> | undefined;
  readonly #scripts = new Map<string, Script>();
  #loaded = 0;
  /** Something that was kept is damaged. */
  #isDamaged = false;

  constructor(folder: string) {
    const { version, arch, execArgv, env } = process;
    const made = createHash('sha256').update(JSON.stringify([__BUILD__, version, arch, execArgv, env.NODE_OPTIONS]));
    this.#path = join(folder, `mcpctl-${made.digest('hex').slice(0, 16)}.bin`);
    this.#read();
  }

  script(file: string): Script {
    // The build writes ASCII only; to read it as UTF-8 leaves 2 MB of holes in the memory of a process that stays.
    const source = Buffer.concat([wrapper.head, fs.readFileSync(file), wrapper.tail]).toString('latin1');
    const name = basename(file);
    const cachedData = this.#codeOf(name);
    const script = new Script(source, { filename: file, ...(cachedData && { cachedData }) });
    this.#scripts.set(name, script);
    this.#loaded += source.length;
    return script;
  }

  /** For the next start. @throws what the file system does */
  keep(): void {
    if (this.#loaded <= this.#header.loaded && !this.#isDamaged) return;
    const entries: Record<string, Entry> = {};
    const parts: Buffer[] = [];
    let at = 0;
    const add = (name: string, code: Buffer) => {
      entries[name] = { at, bytes: code.length, sha256: sha256(code) };
      parts.push(code, Buffer.alloc(align(code.length) - code.length));
      at += align(code.length);
    };
    for (const name of Object.keys(this.#header.entries)) {
      const code = this.#scripts.has(name) ? undefined : this.#codeOf(name);
      if (code) add(name, code);
    }
    for (const [name, script] of this.#scripts) add(name, script.createCachedData());
    const header = Buffer.from(`${JSON.stringify({ loaded: this.#loaded, entries } satisfies Header)}\n`);
    parts.unshift(header, Buffer.alloc(align(header.length) - header.length));
    replaceFile(this.#path, Buffer.concat(parts));
  }

  #read(): Buffer | undefined {
    try {
      const file = readOwn(this.#path);
      const end = file.indexOf('\n');
      const { loaded, entries } = JSON.parse(file.toString('utf8', 0, end)) as Header;
      this.#header = { loaded: Number(loaded), entries: { ...entries } };
      const kept = file.subarray(align(end + 1));
      this.#kept = new WeakRef(kept);
      return kept;
    } catch {
      // None yet, or none to be trusted: it is made again.
      return undefined;
    }
  }

  #codeOf(name: string): Buffer | undefined {
    if (!Object.hasOwn(this.#header.entries, name)) return undefined;
    const kept = this.#kept?.deref() ?? this.#read();
    const entry = this.#header.entries[name];
    const code = entry && kept?.subarray(entry.at, entry.at + entry.bytes);
    if (!code || sha256(code) === entry.sha256) return code;
    this.#isDamaged = true;
    return undefined;
  }
}

/** V8 copies code that does not begin at a multiple of this. */
const align = (bytes: number) => Math.ceil(bytes / 8) * 8;

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('base64');

/** A file that nobody else can write. */
function readOwn(path: string): Buffer {
  const { uid, mode } = fs.statSync(path);
  if ((process.getuid?.() ?? uid) !== uid || (process.getuid && (mode & 0o022) !== 0)) throw new Error('not ours');
  return fs.readFileSync(path);
}

/** Readers see the file before or this one, never a part. */
function replaceFile(path: string, content: Buffer): void {
  const folder = dirname(path);
  ensureFolderSync(folder);
  removeOld(folder);
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    fs.writeFileSync(temporary, content, { mode: 0o600 });
    fs.renameSync(temporary, path);
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    throw error;
  }
}

/** What other builds left, long ago. */
function removeOld(folder: string): void {
  const oldest = systemClock.date().getTime() - maxAgeMs;
  for (const name of fs.readdirSync(folder)) {
    const path = join(folder, name);
    if (/^mcpctl-.*\.(bin|tmp)$/.test(name) && fs.statSync(path).mtimeMs < oldest) fs.rmSync(path, { force: true });
  }
}
