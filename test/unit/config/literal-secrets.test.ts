/** Which words of a new server hold a secret written out, and what of its entry is shown. */
import { describe, expect, it } from 'vitest';
import { literalSecrets, masked, wordsOf } from '../../../src/config/literal-secrets.js';

describe('literalSecrets', () => {
  it.each([
    [['Authorization: Bearer abc123'], ['Bearer abc123', 'abc123']],
    [['Authorization: Bearer ${TOKEN}'], []],
    [['--header=X-Api-Key: abc'], ['abc']],
    [['API_KEY=abc'], ['abc']],
    [['--env=API_KEY=abc'], ['abc']],
    [['API_KEY=${API_KEY}'], []],
    [['API_KEY=${API_KEY:-abc}'], ['abc']],
    [['DEBUG=abc'], []],
    [['NOTE=ghp_0123456789abcdefABCDEF'], ['ghp_0123456789abcdefABCDEF']],
    [['prog', '--token', 'abc', '-v'], ['abc']],
    [['prog', '--token', '${TOKEN}', '-v'], []],
    [['prog', '--token=abc'], ['abc']],
    [['https://me:abc@a.example/?token=def&x=1'], ['abc', 'def', 'https://me:abc@a.example/?token=def&x=1']],
    [['https://a.example/?token=${TOKEN}'], []],
    [['npx', '-y', '@modelcontextprotocol/server-filesystem', '.'], []],
  ])('of %j are %j', (words, secrets) => {
    expect(literalSecrets(words).sort()).toEqual([...secrets].sort());
  });
});

describe('wordsOf', () => {
  it('has the secret of a login among its words, so that one written out is found', () => {
    const words = (clientSecret: string) => literalSecrets(wordsOf({ url: 'https://x', oauth: { clientId: 'c', clientSecret } }));
    expect(words('abc')).toEqual(['abc']);
    expect(words('${SECRET}')).toEqual([]);
  });
});

describe('masked', () => {
  it('hides the secrets of an entry and shows everything else', () => {
    const entry = {
      type: 'http',
      url: 'https://me:abcd@a.example/x',
      headers: { Authorization: 'Bearer abcdef', 'X-A': '${A}' },
      args: ['--pin', '12', '12 x'],
    };
    expect(
      masked(entry, [...literalSecrets(wordsOf({ url: entry.url.replace('/x', ''), headers: entry.headers })), '12']),
    ).toEqual({
      type: 'http',
      url: '***/x',
      headers: { Authorization: '***', 'X-A': '${A}' },
      // Too short to be looked for inside other words.
      args: ['--pin', '***', '12 x'],
    });
  });
});
