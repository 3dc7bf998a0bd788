/** The last lines of stderr, in bounded memory. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StderrRing } from '../../../src/mcp/stderr-ring.js';

const ring = (onLine?: (line: string, isCut: boolean) => void) => new StderrRing({ maxLines: 20, maxBytes: 64 * 1024, onLine });

describe('StderrRing', () => {
  it('keeps the last 20 of 100 lines, and the line that has not ended', () => {
    const lines = ring();
    lines.push(Buffer.from(Array.from({ length: 100 }, (_, i) => `line ${i}\r\n`).join('')));
    expect(lines.tail()).toEqual(Array.from({ length: 20 }, (_, i) => `line ${i + 80}`));
    lines.push(Buffer.from('unfinished'));
    expect(lines.tail().slice(-2)).toEqual(['line 99', 'unfinished']);
  });

  it('cuts a line of 1 MB without a newline into pieces of 8 KiB and keeps 64 KiB', () => {
    const lines = ring();
    for (let i = 0; i < 16; i++) lines.push(Buffer.alloc(65_536, 'p'));
    lines.end();
    const tail = lines.tail();
    expect(tail.join('').length).toBeLessThanOrEqual(64 * 1024);
    expect(tail.length).toBe(8);
    expect(Math.max(...tail.map((line) => line.length))).toBe(8_192);
  });

  it('says of each piece whether its line goes on, and cuts between characters, in 200 random chunkings', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 1, max: 30_000 }), (shift, size) => {
        const line = `${'a'.repeat(shift)}${'€'.repeat(9_000)}`;
        const heard: { line: string; isCut: boolean }[] = [];
        const lines = ring((text, isCut) => heard.push({ line: text, isCut }));
        const bytes = Buffer.from(`first\n${line}\nlast\n`);
        for (let at = 0; at < bytes.length; at += size) lines.push(bytes.subarray(at, at + size));
        expect(heard.map(({ isCut }) => isCut)).toEqual([false, true, true, true, false, false]);
        expect(
          heard
            .slice(1, -1)
            .map((piece) => piece.line)
            .join(''),
        ).toBe(line);
      }),
      { numRuns: 200 },
    );
  });

  it('has the same last lines with and without a listener, in 500 random chunkings', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'grapheme', maxLength: 400 }), { minLength: 1, maxLength: 60 }),
        fc.integer({ min: 1, max: 20_000 }),
        (texts, size) => {
          const expected = texts.map((text) => text.replaceAll(/[\r\n]/g, '_'));
          const bytes = Buffer.from(expected.map((text) => `${text}\n`).join(''));
          const heard: string[] = [];
          const [plain, heeded] = [ring(), ring((line) => heard.push(line))];
          for (let at = 0; at < bytes.length; at += size) {
            plain.push(bytes.subarray(at, at + size));
            heeded.push(bytes.subarray(at, at + size));
          }
          expect(heard).toEqual(expected);
          expect(plain.tail()).toEqual(expected.slice(-20));
          expect(heeded.tail()).toEqual(expected.slice(-20));
        },
      ),
      { numRuns: 500 },
    );
  });
});
