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

describe('isSecretName', () => {
  it.each(['GITHUB_TOKEN', 'client_secret', 'Authorization', 'X-Api-Key', 'DB_PASSWORD', 'Cookie', 'apikey', 'SESSION_ID'])(
    '%s holds a secret',
    (name) => expect(isSecretName(name)).toBe(true),
  );
  it.each(['HOME', 'message', 'path', 'DEBUG', 'key'])('%s does not', (name) => expect(isSecretName(name)).toBe(false));
});
