/** Lines come out the same however the bytes came in, and memory for them is bounded. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineFramer, type OversizeLine } from '../../../src/mcp/framing.js';

function framer(maxLineBytes = 1_000_000) {
  const oversize: (OversizeLine & { ended: boolean })[] = [];
  const lines = new LineFramer({ maxLineBytes, onOversize: (line, ended) => oversize.push({ ...line, ended }) });
  const drain = () => {
    const all: string[] = [];
    for (let line = lines.next(); line !== undefined; line = lines.next()) all.push(line);
    return all;
  };
  return { lines, drain, oversize };
}

/** Cuts `bytes` at the given places. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const sorted = [0, ...places.map((place) => place % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  return sorted.slice(1).map((end, i) => bytes.subarray(sorted[i], end));
}

const anyLine = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 200 }).map((text) => text.replaceAll('\n', ' ').replaceAll('\r', ' ')),
  fc.json(),
  fc.constantFrom('', '\ufeff{}', '€'.repeat(3000), '😀', 'x'.repeat(70_000)),
);

describe('LineFramer', () => {
  it('gives the same lines for 1,000 random chunkings of multi-byte text', () => {
    fc.assert(
      fc.property(fc.array(anyLine, { maxLength: 12 }), fc.array(fc.nat(), { maxLength: 30 }), (texts, places) => {
        const { lines, drain, oversize } = framer();
        const seen: string[] = [];
        for (const chunk of cut(Buffer.from(texts.map((text) => `${text}\n`).join('')), places)) {
          lines.push(chunk);
          seen.push(...drain());
        }
        expect(seen).toEqual(texts);
        expect(oversize).toEqual([]);
      }),
      { numRuns: 1_000 },
    );
  });

  it('gives the same when nothing is taken out between 200 chunkings', () => {
    fc.assert(
      fc.property(fc.array(anyLine, { maxLength: 12 }), fc.array(fc.nat(), { maxLength: 30 }), (texts, places) => {
        const { lines, drain } = framer();
        for (const chunk of cut(Buffer.from(texts.map((text) => `${text}\n`).join('')), places)) lines.push(chunk);
        expect(drain()).toEqual(texts);
      }),
      { numRuns: 200 },
    );
  });

  it('finds exactly the lines over a limit of 50 bytes, in 1,000 random chunkings, and passes the others', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 120 }), { maxLength: 20 }), fc.array(fc.nat(), { maxLength: 20 }), (lengths, places) => {
        const { lines, drain, oversize } = framer(50);
        const texts = lengths.map((length, i) => String(i % 10).repeat(length));
        const seen: string[] = [];
        for (const chunk of cut(Buffer.from(texts.map((text) => `${text}\n`).join('')), places)) {
          lines.push(chunk);
          seen.push(...drain());
        }
        expect(seen).toEqual(texts.filter((text) => text.length <= 50));
        const long = texts.filter((text) => text.length > 50);
        expect(oversize.filter(({ ended }) => !ended)).toHaveLength(long.length);
        expect(oversize.filter(({ ended }) => ended).map(({ head, tail, bytes }) => ({ head, tail, bytes }))).toEqual(
          long.map((text) => ({ head: expect.stringMatching(new RegExp(`^${text[0]}{51,}$`)), tail: text, bytes: text.length })),
        );
      }),
      { numRuns: 1_000 },
    );
  });

  it('tells of an over-long line as soon as the limit is passed, and again at its newline with its end', () => {
    const { lines, drain, oversize } = framer(10_000);
    lines.push(Buffer.from('{"id":7,'));
    lines.push(Buffer.alloc(10_000, 'x'));
    expect(oversize).toMatchObject([{ ended: false, tail: '', bytes: 10_008 }]);
    expect(oversize[0]?.head).toMatch(/^\{"id":7,x+$/);
    expect(oversize[0]?.head).toHaveLength(4096);
    lines.push(Buffer.from('the end'));
    expect(oversize).toHaveLength(1);
    lines.push(Buffer.from('!\nnext\n'));
    expect(oversize[1]).toMatchObject({ ended: true, bytes: 10_016 });
    expect(oversize[1]?.tail).toMatch(/x{4000}the end!$/);
    expect(drain()).toEqual(['next']);
  });

  it('keeps less than 20 MB for an endless line of 500 MB', () => {
    const { lines, oversize } = framer(1_000_000);
    const chunk = Buffer.alloc(64 * 1024, 'x');
    const before = process.memoryUsage();
    for (let i = 0; i < 8_000; i++) lines.push(chunk);
    const after = process.memoryUsage();
    expect(oversize).toHaveLength(1);
    expect(after.heapUsed + after.external - before.heapUsed - before.external).toBeLessThan(20_000_000);
  });

  it('keeps 1 MB for 1 MB that came in a million chunks of one byte', () => {
    const { lines, drain } = framer(2_000_000);
    const byte = Buffer.from('y');
    const before = process.memoryUsage();
    for (let i = 0; i < 1_000_000; i++) lines.push(byte);
    const after = process.memoryUsage();
    expect(after.heapUsed + after.external - before.heapUsed - before.external).toBeLessThan(10_000_000);
    lines.push(Buffer.from('\n'));
    expect(drain()[0]).toHaveLength(1_000_000);
  });

  it('decodes invalid UTF-8 with replacement characters and keeps the neighbours', () => {
    const { lines, drain } = framer();
    lines.push(Buffer.concat([Buffer.from('ä\na'), Buffer.from([0xff, 0xe2, 0x82]), Buffer.from('\nö\n')]));
    expect(drain()).toEqual(['ä', 'a\ufffd\ufffd', 'ö']);
  });

  it('makes what is left at the end the last line, once', () => {
    const { lines, drain } = framer();
    lines.push(Buffer.from('one\ntwo'));
    expect(drain()).toEqual(['one']);
    lines.end();
    lines.end();
    expect(drain()).toEqual(['two']);
  });
});
