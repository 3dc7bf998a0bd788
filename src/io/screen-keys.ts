/** What a terminal sends, as names of keys: `q`, `up`, `pagedown`, `enter`, `ctrl-c`, `escape`. */

/** What stands behind `ESC [` or `ESC O`. Terminals differ; these are all in use. */
const named: Readonly<Record<string, string>> = {
  A: 'up',
  B: 'down',
  C: 'right',
  D: 'left',
  H: 'home',
  F: 'end',
  '1~': 'home',
  '7~': 'home',
  '4~': 'end',
  '8~': 'end',
  '5~': 'pageup',
  '6~': 'pagedown',
};

const controls: Readonly<Record<string, string>> = {
  '\r': 'enter',
  '\n': 'enter',
  '\t': 'tab',
  '\x7f': 'backspace',
  '\b': 'backspace',
};

const tokens = /\x1b(?:\[([\d;?<>=]*[ -/]*[@-~])|O([ -~]))|[\s\S]/gu;
/** The beginning of a sequence, or the key Esc: what comes next tells. */
const unfinished = /\x1b(?:\[[\d;?<>=]*[ -/]*|O)?$/;
/** No key sends more than this. */
const maxWaiting = 32;

export class KeyReader {
  #waiting = '';

  /** The keys in the next piece of input. A sequence that is not whole yet waits for the piece after it. */
  read(piece: string): string[] {
    const text = this.#waiting + piece;
    const rest = unfinished.exec(text)?.[0] ?? '';
    this.#waiting = rest.length > maxWaiting ? '' : rest;
    return namesIn(text.slice(0, text.length - rest.length));
  }

  get isWaiting(): boolean {
    return this.#waiting !== '';
  }

  /** Nothing has followed: what waited was the key Esc. */
  flush(): string[] {
    const isKey = this.#waiting === '\x1b';
    this.#waiting = '';
    return isKey ? ['escape'] : [];
  }
}

function namesIn(text: string): string[] {
  const names: string[] = [];
  for (const [token, bracket, letter] of text.matchAll(tokens)) {
    const sequence = bracket ?? letter;
    // An unknown sequence is no key of ours, and none of its letters is one either.
    const name = sequence === undefined ? nameOf(token) : named[sequence];
    if (name !== undefined) names.push(name);
  }
  return names;
}

function nameOf(character: string): string {
  if (character === '\x1b') return 'escape';
  const control = controls[character];
  if (control !== undefined) return control;
  return character < ' ' ? `ctrl-${String.fromCharCode(character.charCodeAt(0) + 96)}` : character;
}
