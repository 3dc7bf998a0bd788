/** What is secret in a definition, and what may be shown of it. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables as users write them in a file
import { describe, expect, it } from 'vitest';
import { expand } from '../../../src/config/expand.js';
import {
  headerSecrets,
  isOnlyReference,
  isSecretField,
  maskArguments,
  maskUrl,
  substitutedSecrets,
  substitutedUrlSecrets,
  urlSecrets,
} from '../../../src/config/secrets.js';

const env = {
  GITHUB_TOKEN: 'ghp_0123456789abcdef',
  SHORT_TOKEN: 'abc',
  REGION: 'eu-central-1',
  PORT: '8080',
  HOME: '/home/ann/long/enough',
  HOST: 'internal.example.com',
  ADDRESS: 'https://hooks.example.com/s/0123456789abcdef/mcp?k=9876543210zyx',
  OPAQUE: 'A1b2C3d4E5f6G7h8',
  FOLDER: '/srv/data/shared/documents',
};
const at = (text: string) => expand(text, env);

describe('isSecretField', () => {
  it.each([
    'GITHUB_TOKEN',
    'db_password',
    'PASSWD',
    'Authorization',
    'X-Api-Key',
    'ENCRYPTION_KEY',
    'X-My-Key',
    'Cookie',
    'SENTRY_DSN',
    'sessionId',
  ])('%s is one', (name) => expect(isSecretField(name)).toBe(true));
  it.each(['DEBUG', 'PATH', 'Accept', 'KEYBOARD', 'PORT', 'MONKEYS', 'X-Request-Id'])('%s is none', (name) =>
    expect(isSecretField(name)).toBe(false),
  );
});

describe('substitutedSecrets', () => {
  it('keeps what a telling variable holds, however short, and 8 characters or more of any other', () => {
    expect(substitutedSecrets(at('${GITHUB_TOKEN}/${SHORT_TOKEN}/${REGION}/${PORT}/${HOME}/${MISSING:-default-value}'))).toEqual([
      'ghp_0123456789abcdef',
      'abc',
      'eu-central-1',
    ]);
  });
});

describe('substitutedUrlSecrets', () => {
  it('leaves the host alone and keeps what stands behind it', () => {
    expect(substitutedUrlSecrets(at('https://${HOST}:${PORT}/x/${GITHUB_TOKEN}/mcp'))).toEqual(['ghp_0123456789abcdef']);
  });

  it('keeps only the long parts of a variable that holds a whole address', () => {
    expect(substitutedUrlSecrets(at('${ADDRESS}'))).toEqual(['0123456789abcdef', '9876543210zyx']);
  });
});

describe('isOnlyReference', () => {
  it.each(['${TOKEN}', 'Bearer ${TOKEN}', '${input:token}'])('%s is no secret yet', (text) => {
    expect(isOnlyReference(text)).toBe(true);
  });

  it.each(['${TOKEN:-abc}', 'Bearer abc', 'abc${TOKEN}', '${A}${B}', ''])('%s may hold one', (text) => {
    expect(isOnlyReference(text)).toBe(false);
  });
});

describe('headerSecrets', () => {
  it('keeps the whole value and the credential without its scheme', () => {
    expect(headerSecrets('authorization', 'Bearer abc.def')).toEqual(['Bearer abc.def', 'abc.def']);
  });
  it('keeps the password of Basic credentials', () => {
    expect(headerSecrets('Authorization', `Basic ${btoa('ann:s3cret:x')}`)).toContain('s3cret:x');
  });
  it('keeps each value of a Cookie header', () => {
    expect(headerSecrets('Cookie', 'sid=one; theme=two')).toEqual(['sid=one; theme=two', 'one', 'two']);
  });
  it('keeps nothing of an ordinary header', () => {
    expect(headerSecrets('Accept-Language', 'en')).toEqual([]);
  });
});

describe('URLs', () => {
  it('shows scheme, host and path, masks user, password, telling query fields and known secrets, drops the fragment', () => {
    const url = new URL('https://ann:p%40ss@example.com:8443/mcp/A1b2C3d4?api_key=k1&team=blue#frag');
    expect(urlSecrets(url)).toEqual(['p%40ss', 'p@ss', 'k1']);
    expect(maskUrl(url, ['A1b2C3d4'])).toBe('https://***@example.com:8443/mcp/***?api_key=***&team=blue');
  });
  it('takes a user name alone for a token', () => {
    expect(urlSecrets(new URL('https://tok_123456@example.com/'))).toEqual(['tok_123456']);
  });
});

describe('maskArguments', () => {
  const shown = (...args: string[]) => maskArguments(args.map(at));
  it.each([
    [['--token', 'x1y2z3'], ['--token', '***'], ['x1y2z3']],
    [['--api-key=x1y2z3'], ['--api-key=***'], ['x1y2z3']],
    [['-e', 'DB_PASSWORD=x1y2z3'], ['-e', 'DB_PASSWORD=***'], ['x1y2z3']],
    [
      ['--header', 'Authorization: Bearer x1y2z3'],
      ['--header', 'Authorization: ***'],
      ['Bearer x1y2z3', 'x1y2z3'],
    ],
    [['postgres://ann:x1y2z3@db/main'], ['postgres://***@db/main'], ['x1y2z3']],
    [['--token', '--verbose'], ['--token', '--verbose'], []],
    [['${OPAQUE}'], ['***'], ['A1b2C3d4E5f6G7h8']],
    [['${FOLDER}', '${PORT}', '.'], ['/srv/data/shared/documents', '8080', '.'], []],
    [['pre-${GITHUB_TOKEN}'], ['pre-***'], ['ghp_0123456789abcdef']],
  ])('%j is shown as %j', (args, expected, secrets) => {
    expect(shown(...args)).toEqual({ shown: expected, secrets });
  });
});
