/** Secrets by value, in every form in which they turn up. */
import { describe, expect, it } from 'vitest';
import { isSecretName, Redactor } from '../../../src/core/redact.js';

describe('Redactor', () => {
  const secret = 's3cr3t/"with" spaces+ü';
  const redactor = new Redactor();
  redactor.add(secret);

  it.each([
    ['plain', `x ${secret} y`],
    ['URL-encoded', `https://h/?k=${encodeURIComponent(secret)}`],
    ['in JSON', JSON.stringify({ secret })],
    ['base64', Buffer.from(secret).toString('base64')],
    ['base64url', Buffer.from(secret).toString('base64url')],
    ['twice', secret + secret],
  ])('removes it %s', (_, text) => {
    const out = redactor.redact(text);
    expect(out).toContain('[redacted]');
    expect(out).not.toContain('s3cr3t');
  });

  it('removes a secret that contains another one whole', () => {
    const two = new Redactor();
    two.add('secret-1');
    two.add('secret-1-longer');
    expect(two.redact('<secret-1-longer>')).toBe('<[redacted]>');
  });

  it('ignores values under 6 characters, which would blank out ordinary words', () => {
    const short = new Redactor();
    short.add('true');
    short.add('');
    expect(short.redact('true story')).toBe('true story');
  });

  it('treats pattern characters as text', () => {
    const odd = new Redactor();
    odd.add('a.*b$^(c)|');
    expect(odd.redact('xaZZb a.*b$^(c)|')).toBe('xaZZb [redacted]');
  });

  it('reaches strings inside data, and knows whether a text holds one', () => {
    expect(redactor.redactData({ a: [secret], b: 1 })).toEqual({ a: ['[redacted]'], b: 1 });
    expect(redactor.has(`x${secret}`)).toBe(true);
    expect(redactor.has('x')).toBe(false);
  });
});

describe('a secret of several lines', () => {
  const key = [
    '-----BEGIN PRIVATE KEY-----',
    'MIIEvQIBADANBgkqhkiG9w0BAQEFAASC',
    'BKcwggSjAgEAAoIBAQ',
    'short',
    '-----END PRIVATE KEY-----',
  ];
  const redactor = new Redactor();
  redactor.add(`${key.join('\n')}\n`);

  it('is removed as a whole, and line by line where a line has 16 characters', () => {
    expect(redactor.redact(key.join('\n'))).not.toContain('MIIE');
    expect(key.map((line) => redactor.redact(`stderr: ${line}`))).toEqual([
      'stderr: -----BEGIN PRIVATE KEY-----',
      'stderr: [redacted]',
      'stderr: [redacted]',
      'stderr: short',
      'stderr: -----END PRIVATE KEY-----',
    ]);
  });
});

describe('a secret that was cut before', () => {
  const redactor = new Redactor();
  for (const secret of ['sk-live-abcdefghijklmnop', 'aabaabaabaabaac', 'p"quoted$&secret', 'short7x']) redactor.add(secret);

  it('is masked from 8 characters on, in front of the ellipsis of a cut, each time', () => {
    for (let length = 8; length < 24; length++)
      expect(redactor.redact(`y${'sk-live-abcdefghijklmnop'.slice(0, length)}… and sk-live-a…`)).toBe(
        'y[redacted]… and [redacted]…',
      );
    expect(redactor.redact('x p\\"quoted$… ')).toBe('x [redacted]… ');
    // Its beginning begins within what looked like it.
    expect(redactor.redact('aabaabaabaabaabaa…')).toBe('aab[redacted]…');
  });

  it.each([
    'sk-live…',
    'sk-live-x…',
    'sk-live-abc …',
    'sk-live-abcdef',
    'sk-live-abc… x'.slice(0, 7),
    'short7…',
    '…',
    '……sk-live…',
  ])('is not seen in %j', (text) => expect(redactor.redact(text)).toBe(text));

  it('is looked for in 16 MB of its beginnings in one pass: a second one for each would not end within the time of a test', () => {
    const text = `${'sk-live-'.repeat(2 * 1024 ** 2)}…`;
    expect(redactor.redact(text)).toHaveLength(text.length - 8 + '[redacted]'.length);
  });

  it('leaves a text alone when only short secrets are known', () => {
    const short = new Redactor();
    short.add('abc123');
    expect(short.redact('abc12… …')).toBe('abc12… …');
  });
});

describe('redactStart', () => {
  const secret = 'S3CR3T-abcdef';
  const redactor = new Redactor();
  redactor.add(secret);

  it('cuts behind a secret that the cut would divide, wherever it stands', () => {
    for (let before = 0; before < 40; before++) {
      const text = `${'.'.repeat(before)}${secret}${'.'.repeat(40 - before)}`;
      const { start, rest } = redactor.redactStart(text, 20);
      expect(start + redactor.redact(rest)).toBe(redactor.redact(text));
      expect(`${start}${rest}`.includes(secret)).toBe(before >= 20);
    }
  });

  it('leaves a text that is shorter alone, and works without any secret', () => {
    expect(redactor.redactStart('abc', 10)).toEqual({ start: 'abc', rest: '' });
    expect(new Redactor().redactStart('abcdef', 2)).toEqual({ start: 'ab', rest: 'cdef' });
  });
});

describe('isSecretName', () => {
  it.each(['GITHUB_TOKEN', 'client_secret', 'Authorization', 'X-Api-Key', 'DB_PASSWORD', 'Cookie', 'apikey', 'SESSION_ID'])(
    '%s holds a secret',
    (name) => expect(isSecretName(name)).toBe(true),
  );
  it.each(['HOME', 'message', 'path', 'DEBUG', 'key'])('%s does not', (name) => expect(isSecretName(name)).toBe(false));
});
