/** An entry as fields: complete, in a fixed order, and compared field by field. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables as users write them in a file
import { describe, expect, it } from 'vitest';
import { entryChanges, entryFields, entryVariables } from '../../../src/config/entry-fields.js';
import { variablesOf } from '../../../src/config/expand.js';

const flat = (entry: Parameters<typeof entryFields>[0]) => entryFields(entry).map(({ path, value }) => [path.join('.'), value]);

describe('entryFields', () => {
  it('puts what decides first and leaves nothing out, empty lists and null included', () => {
    expect(
      flat({ later: { a: [] }, env: { B: '1' }, args: ['x', ''], command: 'c', enabled: false, odd: null, none: {} }),
    ).toEqual([
      ['command', 'c'],
      ['args.0', 'x'],
      ['args.1', ''],
      ['env.B', '1'],
      ['later.a', []],
      ['enabled', false],
      ['odd', null],
      ['none', {}],
    ]);
  });
});

describe('entryChanges', () => {
  it('tells what is new, gone and different, and nothing else', () => {
    const before = { command: 'c', args: ['1', '2'], env: { A: '1', B: '2' }, odd: { x: 1 } };
    const after = { command: 'c', args: ['1', '3', '4'], env: { A: '1' }, odd: {} };
    const changes = entryChanges(before, after).map(({ path, ...change }) => [path.join('.'), change]);
    expect(Object.fromEntries(changes)).toEqual({
      'args.1': { from: '2', to: '3' },
      'args.2': { to: '4' },
      'env.B': { from: '2' },
      'odd.x': { from: 1 },
      odd: { to: {} },
    });
    expect(entryChanges(before, structuredClone(before))).toEqual([]);
  });

  it('tells a key with a dot from two keys', () => {
    expect(entryChanges({ env: { 'A.B': '1' } }, { env: { A: { B: '1' } } })).toHaveLength(2);
  });
});

describe('entryVariables', () => {
  it('names each variable that the entry would expand once, and none of what is not expanded', () => {
    expect(
      entryVariables({
        command: '${A}/x',
        args: ['${B:-${C}}', '$${NO}', '$NO', '${not a name}'],
        env: { X: '${A}${D}' },
        url: '${E}',
        headers: { H: 'Bearer ${F}' },
        cwd: '${G}',
        ca: '${NO}',
        stop: { command: ['${NO}'] },
      }),
    ).toEqual(['A', 'B', 'G', 'D', 'E', 'F']);
  });

  it('sees a variable behind an escaped one', () => {
    expect(variablesOf('$${${A}}')).toEqual(['A']);
  });
});
