/** Which keys the bytes of a terminal are, also when they come in pieces. */
import { describe, expect, it } from 'vitest';
import { KeyReader } from '../../../src/io/screen-keys.js';

const read = (...pieces: string[]) => {
  const reader = new KeyReader();
  return { reader, keys: pieces.flatMap((piece) => reader.read(piece)) };
};

describe('the keys of a terminal', () => {
  it.each([
    ['q', ['q']],
    ['\x1b[A\x1bOB', ['up', 'down']],
    ['\x1b[5~\x1b[6~\x1b[H\x1bOF\x1b[1~\x1b[8~', ['pageup', 'pagedown', 'home', 'end', 'home', 'end']],
    ['\r\n\t\x7f', ['enter', 'enter', 'tab', 'backspace']],
    ['\x03\x1a\x0c', ['ctrl-c', 'ctrl-z', 'ctrl-l']],
    ['é日😀', ['é', '日', '😀']],
    // Ctrl-Up, F5, the end of a paste, the answer of a terminal: none of our keys, and not their letters either.
    ['\x1b[1;5A\x1b[15~\x1b[201~\x1b[?62;4c', []],
    ['\x1bd', ['escape', 'd']],
  ])('%j is %j', (bytes, keys) => {
    expect(read(bytes).keys).toEqual(keys);
  });

  it('waits for the rest of a sequence that comes in three pieces, and takes what follows as keys again', () => {
    expect(read('\x1b', '[', 'Ad').keys).toEqual(['up', 'd']);
  });

  it('takes an ESC that nothing follows for the key Esc, once', () => {
    const { reader, keys } = read('d\x1b');
    expect([keys, reader.isWaiting]).toEqual([['d'], true]);
    expect([reader.flush(), reader.flush(), reader.isWaiting]).toEqual([['escape'], [], false]);
  });

  it('forgets a sequence that never ends after 32 characters', () => {
    const { reader } = read(`\x1b[${'1;'.repeat(40)}`);
    expect(reader.isWaiting).toBe(false);
    expect(reader.read('q')).toEqual(['q']);
  });
});
