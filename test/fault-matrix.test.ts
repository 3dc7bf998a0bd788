/** The fault matrix is complete, and what it names exists: every row has a test, every named test stands in its file. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { faultMatrix } from './fault-matrix.js';
import { testTitles } from './support/test-titles.js';

const rows = Object.values(faultMatrix).flat();
/** Of the shared store. */
const elsewhere = ['F46', 'F47'];

describe('the fault matrix', () => {
  it('has each of F01 to F54 once, without F46 and F47', () => {
    const all = Array.from({ length: 54 }, (_, i) => `F${String(i + 1).padStart(2, '0')}`);
    expect(rows.map(({ id }) => id as string).sort()).toEqual(all.filter((id) => !elsewhere.includes(id)));
  });

  it.each(rows.map((row) => [row.id, row] as const))('%s names tests that exist, one at least', (_, { tests }) => {
    const named = Object.entries(tests).flatMap(([file, titles]) => titles.map((title) => ({ file, title })));
    expect(named.length).toBeGreaterThan(0);
    expect(named.filter(({ file, title }) => !titlesIn(file).has(title))).toEqual([]);
  });

  it('has rows that say what goes wrong, what happens then, and how much of it', () => {
    for (const { fault, promise, figure, note } of rows)
      for (const text of [fault, promise, figure, ...(note === undefined ? [] : [note])]) expect(text).toMatch(/^\S.*\S$/);
  });

  it('is checked by a reader that sees titles, and no others', () => {
    const text = [
      "describe('a', () => { it('b', () => {}); it.each([1])('c %s', () => {}); test.skipIf(true)('d', () => {}); });",
      "it.each([['not', 'these']])(`e ${x}`, () => { call('f'); rig.it('g'); });",
      "// it('h')",
    ].join('\n');
    expect([...testTitles('a.ts', text)]).toEqual(['b', 'c %s', 'd', 'e ${x}']);
  });
});

const known = new Map<string, ReadonlySet<string>>();

function titlesIn(name: string): ReadonlySet<string> {
  let titles = known.get(name);
  if (!titles) {
    const file = fileURLToPath(new URL(`${name}.test.ts`, import.meta.url));
    titles = existsSync(file) ? testTitles(file, readFileSync(file, 'utf8')) : new Set();
    known.set(name, titles);
  }
  return titles;
}
