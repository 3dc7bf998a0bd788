/** Which arguments of a call count as secret, and what `@`, `@@`, `:=` and `-` turn into. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables as users type them
import { describe, expect, it } from 'vitest';
import { absolutePaths, resolveInput, secretsOf } from '../../../src/cli/input.js';
import { findCommand } from '../../../src/cli/parse.js';
import { registry } from '../../../src/cli/registry.js';

const resolve = (input: string[], args?: string, stdin = '') =>
  resolveInput({ input, ...(args === undefined ? {} : { args }) }, { cwd: '/', readInput: async () => stdin });

describe('secretsOf', () => {
  it('finds the values of telling names in key=value, key:=json and --args, at any depth and in lists', async () => {
    const resolved = await resolve(
      ['token=one', 'nested:={"db":{"password":"two"}}', 'plain=three', 'n:=4'],
      '{"api_key":"five","list":[{"secret":["six"]}],"title":"seven"}',
    );
    expect(secretsOf(resolved)).toEqual(['one', 'two', 'five', 'six']);
  });

  it('takes no author for a secret, but an authorization', async () => {
    expect(secretsOf(await resolve(['author=Ann', 'authors:=["Bob"]', 'co_author=Cy', 'authorization=Dee', 'auth=Eve']))).toEqual(
      ['Dee', 'Eve'],
    );
  });

  it('finds nothing in --args that are no JSON, and ends on 1,000 levels', async () => {
    expect(secretsOf(await resolve([], '{'))).toEqual([]);
    expect(secretsOf(await resolve([`deep:=${'{"a":'.repeat(1_000)}1${'}'.repeat(1_000)}`]))).toEqual([]);
  });
});

describe('resolveInput', () => {
  it('splits at the first equals sign, keeps words, reads stdin for --args -, and writes @ for @@', async () => {
    expect(await resolve(['word', 'a=b=c', 'mail=@@me', 'empty='], '-', '{"x":1}')).toEqual({
      input: {
        words: ['word'],
        pairs: [
          { key: 'a', text: 'b=c' },
          { key: 'mail', text: '@me' },
          { key: 'empty', text: '' },
        ],
      },
      args: '{"x":1}',
    });
  });
});

describe('absolutePaths', () => {
  const add = findCommand('add', registry, 'shell');

  it.each([
    [
      ['./bin/x', './y'],
      ['/work/bin/x', './y'],
    ],
    [['bin/x'], ['/work/bin/x']],
    [['/abs/x'], ['/abs/x']],
    [
      ['npx', './y'],
      ['npx', './y'],
    ],
    [['https://a.example/x'], ['https://a.example/x']],
    [['${HOME}/x'], ['${HOME}/x']],
    [['~/x'], ['~/x']],
  ])('the program of %j is written as %j', (command, wanted) => {
    expect(absolutePaths(add, { command, cwd: '../sub', name: './n' }, '/work')).toEqual({
      command: wanted,
      cwd: '/sub',
      name: './n',
    });
  });

  it('leaves an empty folder to the check, and adds nothing', () => {
    expect(absolutePaths(add, { command: ['x'], cwd: '' }, '/work')).toEqual({ command: ['x'], cwd: '' });
    expect(absolutePaths(add, { command: ['x'] }, '/work')).toEqual({ command: ['x'] });
  });
});
