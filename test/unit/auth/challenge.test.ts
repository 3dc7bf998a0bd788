/** WWW-Authenticate as servers write it. */
import { describe, expect, it } from 'vitest';
import { parseChallenge, scopesOf } from '../../../src/auth/challenge.js';

describe('parseChallenge', () => {
  const url = 'https://x.example/.well-known/oauth-protected-resource';
  it.each([
    [null, null],
    ['', null],
    ['Basic realm="x"', null],
    ['Negotiate', null],
    ['Bearer', { resourceMetadataUrl: null, scopes: [] }],
    ['bearer realm="x"', { resourceMetadataUrl: null, scopes: [] }],
    [`Bearer resource_metadata="${url}"`, { resourceMetadataUrl: url, scopes: [] }],
    [`Bearer resource_metadata=${url}`, { resourceMetadataUrl: url, scopes: [] }],
    ['Bearer resource_metadata="not a url", scope="a"', { resourceMetadataUrl: null, scopes: ['a'] }],
    ['Bearer error="insufficient_scope", scope="a b  a c"', { resourceMetadataUrl: null, scopes: ['a', 'b', 'c'] }],
    [`Basic realm="x", Bearer resource_metadata="${url}", scope="a"`, { resourceMetadataUrl: url, scopes: ['a'] }],
    [`DPoP algs="ES256", resource_metadata="${url}"`, { resourceMetadataUrl: url, scopes: [] }],
  ])('of %j is %j', (header, challenge) => {
    expect(parseChallenge(header)).toEqual(challenge);
  });
});

describe('scopesOf', () => {
  it('keeps at most 200, each once, and none with a character that no scope has or with over 256', () => {
    expect(scopesOf(undefined)).toEqual([]);
    expect(scopesOf(['a', 'a', 'b c', '', 'q"', 'back\\slash', 'é', 7, null, 'x'.repeat(257)])).toEqual(['a']);
    expect(scopesOf(Array.from({ length: 300 }, (_, n) => `s${n}`))).toHaveLength(200);
    expect(scopesOf('a\u001b[31m b')).toEqual(['b']);
  });
});
