/** Variables in configured strings. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables as users write them in a file

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expand } from '../../../src/config/expand.js';

const env = { HOST: 'example.com', EMPTY: '', NESTED: '${HOST}', _X1: 'x' };

describe('expand', () => {
  it.each([
    ['no variables', 'no variables'],
    ['https://${HOST}/mcp', 'https://example.com/mcp'],
    ['${HOST}${HOST}', 'example.comexample.com'],
    ['${_X1}', 'x'],
    ['${EMPTY}', ''],
    ['${EMPTY:-used}', 'used'],
    ['${MISSING:-used}', 'used'],
    ['${MISSING:-}', ''],
    ['${HOST:-unused}', 'example.com'],
    ['${MISSING:-a:-b $HOST}', 'a:-b $HOST'],
    ['$HOST $$ $', '$HOST $$ $'],
    ['$${HOST}', '${HOST}'],
    ['$$${HOST}', '$${HOST}'],
    ['a$${b', 'a${b'],
    ['', ''],
  ])('%j becomes %j', (text, value) => {
    expect(expand(text, env)).toMatchObject({ value, problems: [] });
  });

  it('never expands the value of a variable again', () => {
    expect(expand('${NESTED}', env).value).toBe('${HOST}');
    expect(expand('${MISSING:-${HOST}', env).value).toBe('${HOST');
  });

  it('names the missing variable and leaves the text as written', () => {
    expect(expand('a ${MISSING} b', env)).toMatchObject({
      value: 'a ${MISSING} b',
      problems: ['the environment variable MISSING is not set'],
      missing: ['MISSING'],
    });
  });

  it.each(['${input:key}', '${env:HOME}', '${workspaceFolder}/${1}', '${}', '${A-b}', '${ HOST }'])(
    'refuses %j instead of passing it on',
    (text) => {
      expect(expand(text, { workspaceFolder: '/w' }).problems).toHaveLength(1);
    },
  );

  it('refuses "${" without "}" and says how to write it literally', () => {
    expect(expand('x ${HOST', env).problems).toEqual(['"${" without "}"; a literal "${" is written "$${"']);
  });

  it('does not see what an object inherits: ${toString} and ${constructor} are not set', () => {
    expect(expand('${toString}${constructor}', {}).missing).toEqual(['toString', 'constructor']);
  });

  it('marks what came from a variable, so that it can be masked', () => {
    expect(expand('a-${HOST}-${MISSING:-d}', env).pieces).toEqual([
      { text: 'a-' },
      { text: 'example.com', variable: 'HOST' },
      { text: '-' },
      { text: 'd' },
    ]);
  });

  it('gives back any text without "${" unchanged, in 1,000 random texts', () => {
    fc.assert(
      fc.property(
        fc.string().filter((text) => !text.includes('${')),
        (text) => expand(text, env).value === text,
      ),
      { numRuns: 1000 },
    );
  });

  it('round-trips any text whose "${" are escaped as "$${", in 1,000 random texts', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('$', '{', '}', 'a', '${', ':-')).map((parts) => parts.join('')),
        (text) => {
          const escaped = text.replaceAll('${', () => '$${');
          return expand(escaped, env).value === text;
        },
      ),
      { numRuns: 1000 },
    );
  });
});
