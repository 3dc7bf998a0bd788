/** Where everything in a TOML text is: a reader of keys and places that leaves judging the text to the parser before it. */

/** One key or list item. Offsets count UTF-16 units in the text. */
export interface TomlNode {
  /** `header`: a `[table]`; `dotted`: made by a key such as `a.b = 1`; `group`: known from headers of tables below it only. */
  kind: 'header' | 'dotted' | 'group' | 'inline' | 'array' | 'tables' | 'scalar';
  /** Of the key's own segment, where it is written first; items of lists have none. */
  readonly keyOffset: number | undefined;
  /** Of the value; of the header for tables. */
  offset: number;
  length: number;
  readonly children: Map<string | number, TomlNode>;
}

/** A header with the lines below it, up to the last one that holds a key. Comments and blank lines after that belong to nobody. */
export interface TomlSection {
  readonly path: readonly (string | number)[];
  readonly node: TomlNode;
  /** Start of the header's line. */
  readonly start: number;
  /** Behind the line break of the header's line. */
  readonly bodyStart: number;
  end: number;
}

export interface TomlTree {
  readonly root: TomlNode;
  readonly sections: readonly TomlSection[];
}

/** Maps a text that is valid TOML. On any other text the result may lack nodes, and scanning still ends. */
export function scanToml(text: string): TomlTree {
  return new Scanner(text).run();
}

interface Segment {
  readonly name: string;
  readonly offset: number;
}

const escapes: Readonly<Record<string, string>> = { b: '\b', t: '\t', n: '\n', f: '\f', r: '\r', e: '\x1b' };

class Scanner {
  #at = 0;
  readonly #root = node('header', undefined, 0);
  readonly #sections: TomlSection[] = [];

  constructor(private readonly text: string) {}

  run(): TomlTree {
    let table = this.#root;
    let section: TomlSection | undefined;
    for (this.#skipVoid(); this.#at < this.text.length; this.#skipVoid()) {
      if (this.text[this.#at] === '[') {
        section = this.#header();
        table = section.node;
      } else {
        this.#pair(table, '\n');
        this.#endLine();
        if (section) section.end = this.#at;
      }
    }
    return { root: this.#root, sections: this.#sections };
  }

  #header(): TomlSection {
    const offset = this.#at;
    const isItem = this.text[offset + 1] === '[';
    this.#at += isItem ? 2 : 1;
    const segments = this.#key(']');
    this.#at += isItem ? 2 : 1;
    const length = this.#at - offset;
    const path: (string | number)[] = [];
    let current = this.#root;
    segments.forEach(({ name, offset: keyOffset }, index) => {
      const isLast = index === segments.length - 1;
      path.push(name);
      const known = current.children.get(name);
      const child = known ?? node(isLast ? (isItem ? 'tables' : 'header') : 'group', keyOffset, offset, length);
      current.children.set(name, child);
      current = child;
      if (isLast && !isItem && child.kind === 'group') Object.assign(child, { kind: 'header', offset, length });
      if (child.kind !== 'tables') return;
      if (isLast && isItem) child.children.set(child.children.size, node('header', undefined, offset, length));
      path.push(child.children.size - 1);
      current = child.children.get(child.children.size - 1) ?? child;
    });
    this.#endLine();
    const start = this.text.lastIndexOf('\n', offset) + 1;
    const section: TomlSection = { path, node: current, start, bodyStart: this.#at, end: this.#at };
    this.#sections.push(section);
    return section;
  }

  /** `a.b = value`, at the key. `close` ends a value that has no quotes or brackets of its own. */
  #pair(table: TomlNode, close: string): void {
    const from = this.#at;
    const segments = this.#key('=');
    this.#at++;
    this.#skipSpace();
    let current = table;
    segments.forEach(({ name, offset }, index) => {
      if (index === segments.length - 1) {
        current.children.set(name, this.#value(offset, close));
        return;
      }
      const known = current.children.get(name);
      const child = known ?? node('dotted', offset, offset);
      // A table that other lines add to by dotted keys does not end with its own section.
      if (child.kind === 'group') child.kind = 'dotted';
      current.children.set(name, child);
      current = child;
    });
    if (this.#at <= from) this.#at = from + 1;
  }

  #value(keyOffset: number | undefined, close: string): TomlNode {
    const offset = this.#at;
    const char = this.text[offset];
    if (char === '"' || char === "'") {
      this.#string(char);
      return node('scalar', keyOffset, offset, this.#at - offset);
    }
    if (char === '[' || char === '{') {
      const found = node(char === '[' ? 'array' : 'inline', keyOffset, offset);
      const end = char === '[' ? ']' : '}';
      this.#at++;
      for (this.#skipVoid(); this.#at < this.text.length && this.text[this.#at] !== end; this.#skipVoid()) {
        if (this.text[this.#at] === ',') this.#at++;
        else if (char === '{') this.#pair(found, end);
        else {
          const before = this.#at;
          found.children.set(found.children.size, this.#value(undefined, end));
          if (this.#at === before) this.#at++;
        }
      }
      this.#at++;
      found.length = this.#at - offset;
      return found;
    }
    while (this.#at < this.text.length && !`,#\n\r${close}`.includes(this.text[this.#at]!)) this.#at++;
    return node('scalar', keyOffset, offset, this.text.slice(offset, this.#at).trimEnd().length);
  }

  /** The segments of a key, up to `end`, which is not consumed. */
  #key(end: string): Segment[] {
    const segments: Segment[] = [];
    while (this.#at < this.text.length) {
      this.#skipSpace();
      const offset = this.#at;
      const char = this.text[offset];
      if (char === end || char === '\n' || char === undefined) break;
      if (char === '.') this.#at++;
      else if (char === '"' || char === "'") {
        this.#string(char);
        const inner = this.text.slice(offset + 1, this.#at - 1);
        segments.push({ name: char === '"' ? unescaped(inner) : inner, offset });
      } else {
        while (this.#at < this.text.length && !`. \t\n\r${end}`.includes(this.text[this.#at]!)) this.#at++;
        segments.push({ name: this.text.slice(offset, this.#at), offset });
      }
    }
    return segments;
  }

  /** Past a string of any of the four kinds. */
  #string(quote: '"' | "'"): void {
    const triple = quote.repeat(3);
    const isLong = this.text.startsWith(triple, this.#at);
    const close = isLong ? triple : quote;
    for (this.#at += close.length; this.#at < this.text.length; this.#at++) {
      if (quote === '"' && this.text[this.#at] === '\\') this.#at++;
      else if (this.text.startsWith(close, this.#at)) {
        this.#at += close.length;
        // Up to two quotes may stand directly before the closing three.
        for (let more = 0; isLong && more < 2 && this.text[this.#at] === quote; more++) this.#at++;
        return;
      }
    }
  }

  #skipSpace(): void {
    while (this.text[this.#at] === ' ' || this.text[this.#at] === '\t') this.#at++;
  }

  /** Past white space, line breaks and comments. */
  #skipVoid(): void {
    for (;;) {
      const char = this.text[this.#at];
      if (char === '#') this.#at = indexOr(this.text, '\n', this.#at);
      else if (char === ' ' || char === '\t' || char === '\n' || char === '\r') this.#at++;
      else return;
    }
  }

  #endLine(): void {
    this.#at = Math.min(indexOr(this.text, '\n', this.#at) + 1, this.text.length);
  }
}

function node(kind: TomlNode['kind'], keyOffset: number | undefined, offset: number, length = 0): TomlNode {
  return { kind, keyOffset, offset, length, children: new Map() };
}

function indexOr(text: string, search: string, from: number): number {
  const at = text.indexOf(search, from);
  return at === -1 ? text.length : at;
}

function unescaped(text: string): string {
  return text.replace(/\\(?:U([\da-f]{8})|u([\da-f]{4})|x([\da-f]{2})|(.))/gi, (_all, long, short, byte, char: string) => {
    const code = long ?? short ?? byte;
    if (code === undefined) return escapes[char] ?? char;
    const point = Number.parseInt(code, 16);
    return point <= 0x10ffff ? String.fromCodePoint(point) : '\uFFFD';
  });
}
