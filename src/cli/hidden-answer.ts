/** An answer that is typed and not shown: keys in, text out, nothing on the screen. */
import type { Key } from 'node:readline';

/** What a key made of the answer. */
export type HiddenStep = 'more' | 'done' | 'interrupt' | 'end';

/** A token is long, a pasted file is longer. */
const maxCharacters = 100_000;

export class HiddenAnswer {
  #text = '';

  get text(): string {
    return this.#text;
  }

  press(text: string | undefined, key: Key): HiddenStep {
    if (key.ctrl && key.name === 'c') return 'interrupt';
    if (key.name === 'return' || key.name === 'enter') return 'done';
    // As in a shell: Ctrl-D ends only an empty answer.
    if (key.ctrl && key.name === 'd') return this.#text === '' ? 'end' : 'more';
    if (key.ctrl && key.name === 'u') this.#text = '';
    else if (key.name === 'backspace') this.#text = [...this.#text].slice(0, -1).join('');
    else if (text !== undefined && !key.ctrl && !key.meta && isVisible(text) && this.#text.length < maxCharacters)
      this.#text += text;
    return 'more';
  }
}

/** Arrows and function keys come as escape sequences. */
function isVisible(text: string): boolean {
  return !/\p{Cc}/u.test(text);
}
