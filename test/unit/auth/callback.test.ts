/** What is believed of an answer to a login: the order of the checks, the table of `iss`, and what people paste. */
import { describe, expect, it } from 'vitest';
import { checkCallback, checkPasted, type ExpectedCallback, hasState, isOtherLogin } from '../../../src/auth/callback.js';
import type { McpctlError } from '../../../src/core/errors.js';

const issuer = 'https://as.example/tenant';
const redirectUri = 'http://127.0.0.1:41233/callback/r4nd0m';
const state = 'state-of-this-login';
const expected: ExpectedCallback = { server: 'web', redirectUri, state, issuer, issIsAdvertised: false };

const answer = (query: Record<string, string>, at = redirectUri) => new URL(`${at}?${new URLSearchParams(query)}`);

function errorOf(run: () => unknown): McpctlError {
  try {
    run();
  } catch (error) {
    return error as McpctlError;
  }
  throw new Error('it was accepted');
}

describe('an answer', () => {
  it('with the state and a code gives the code', () => {
    expect(checkCallback(answer({ state, code: 'c0de' }), expected)).toEqual({ code: 'c0de', iss: undefined });
  });

  it.each([
    ['another state', answer({ state: 'other', error: 'access_denied', error_description: 'forged' })],
    ['no state', answer({ code: 'c0de' })],
    ['two states', new URL(`${redirectUri}?state=${state}&state=${state}&code=c`)],
    ['the state in capitals', answer({ state: state.toUpperCase(), code: 'c0de' })],
    ['another port', answer({ state, code: 'c0de' }, 'http://127.0.0.1:41234/callback/r4nd0m')],
    ['another path', answer({ state, code: 'c0de' }, 'http://127.0.0.1:41233/callback')],
    ['another host', answer({ state, code: 'c0de' }, 'http://localhost:41233/callback/r4nd0m')],
    ['https', answer({ state, code: 'c0de' }, 'https://127.0.0.1:41233/callback/r4nd0m')],
    ['a user in it', answer({ state, code: 'c0de' }, 'http://me@127.0.0.1:41233/callback/r4nd0m')],
  ])('with %s is none of this login, and neither error nor description is looked at', (_, url) => {
    const error = errorOf(() => checkCallback(url, expected));
    expect(isOtherLogin(error)).toBe(true);
    expect(`${error.message} ${error.hint}`).not.toMatch(/forged|access_denied/);
  });

  it.each([
    ['access_denied', 'AUTH_DENIED'],
    ['temporarily_unavailable', 'AUTH_UNAVAILABLE'],
    ['server_error', 'AUTH_UNAVAILABLE'],
    ['invalid_scope', 'AUTH_FAILED'],
    ['unauthorized_client', 'AUTH_FAILED'],
    ['__proto__', 'AUTH_FAILED'],
  ])('with the error %s is %s, with the words of the provider', (error, code) => {
    const found = errorOf(() => checkCallback(answer({ state, error, error_description: 'because' }), expected));
    expect(found).toMatchObject({ code, server: 'web', details: { step: 'authorization', error } });
    expect(found.message).toContain(`${error}: because`);
    expect(found.hint).toMatch(/mcpctl auth web/);
  });

  it('with escape sequences and 10,000 characters in the description is shown as one short line', () => {
    const error_description = `\x1b]52;c;evil\x07\x1b[2J\u202e${'x'.repeat(10_000)}\nnext`;
    const { message } = errorOf(() => checkCallback(answer({ state, error: 'x', error_description }), expected));
    expect(message).not.toMatch(/[\x00-\x1f\x7f-\x9f\u202e]/);
    expect(message.length).toBeLessThan(500);
  });

  it.each([
    ['neither', answer({ state })],
    ['an empty code', answer({ state, code: '' })],
    ['two codes', new URL(`${redirectUri}?state=${state}&code=a&code=b`)],
  ])('with %s is AUTH_FAILED', (_, url) => {
    expect(errorOf(() => checkCallback(url, expected))).toMatchObject({ code: 'AUTH_FAILED', details: { reason: 'no-code' } });
  });
});

describe('iss (RFC 9207)', () => {
  const same = { absent: undefined, equal: issuer };
  const different = {
    case: 'https://AS.example/tenant',
    slash: `${issuer}/`,
    port: 'https://as.example:443/tenant',
    'percent-encoding': 'https://as.example/%74enant',
    evil: 'https://evil.example',
    empty: '',
  };

  it.each<[string, boolean, string | undefined, boolean]>([
    ['advertised, absent', true, same.absent, false],
    ['advertised, equal', true, same.equal, true],
    ...Object.entries(different).map(([name, iss]): [string, boolean, string, boolean] => [
      `advertised, ${name}`,
      true,
      iss,
      false,
    ]),
    ['not advertised, absent', false, same.absent, true],
    ['not advertised, equal', false, same.equal, true],
    ...Object.entries(different).map(([name, iss]): [string, boolean, string, boolean] => [
      `not advertised, ${name}`,
      false,
      iss,
      false,
    ]),
  ])('%s (%s): %s is accepted: %s', (_, issIsAdvertised, iss, isAccepted) => {
    const url = answer({ state, code: 'c0de', ...(iss !== undefined && { iss }) });
    const check = () => checkCallback(url, { ...expected, issIsAdvertised });
    if (isAccepted) expect(check()).toEqual({ code: 'c0de', iss });
    else expect(errorOf(check)).toMatchObject({ code: 'AUTH_FAILED' });
  });

  it('that does not fit keeps error and description out of sight, and the code unused', () => {
    const query = { state, iss: 'https://evil.example', error: 'visit-evil', error_description: 'call 555-0100', code: 'c0de' };
    const error = errorOf(() => checkCallback(answer(query), expected));
    expect(error).toMatchObject({ code: 'AUTH_FAILED', details: { reason: 'issuer-mismatch' } });
    expect(JSON.stringify([error.message, error.hint, error.details])).not.toMatch(/evil|555|c0de/);
  });

  it('given twice is refused', () => {
    const url = new URL(`${redirectUri}?state=${state}&code=c&iss=${issuer}&iss=${issuer}`);
    expect(errorOf(() => checkCallback(url, expected))).toMatchObject({ code: 'AUTH_FAILED' });
  });
});

describe('what is pasted', () => {
  const whole = answer({ state, code: 'c0de/+=' }).href;
  it.each([
    ['the whole address', whole],
    ['with blanks and a line break', `  ${whole.slice(0, 40)}\n   ${whole.slice(40)}\n`],
    ['in quotes', `'${whole}'`],
    ['in angle brackets', `<${whole}>`],
    ['without http://, as some browsers show it', whole.replace('http://', '')],
    ['what follows the ?', whole.replace(/^[^?]*/, '')],
    ['the same without the ?', whole.replace(/^[^?]*\?/, '')],
    ['with a fragment', `${whole}#_=_`],
    ['the code alone', 'c0de/+='],
  ])('%s gives the code', (_, text) => {
    expect(checkPasted(text, expected).code).toBe('c0de/+=');
  });

  it.each([
    ['nothing', ' '],
    ['an address of something else', 'https://as.example/login?state=x'],
    ['the address that was to be opened', `https://as.example/authorize?state=${state}`],
    ['text with other letters', 'schlüssel'],
    ['20,000 characters', 'x'.repeat(20_000)],
    ['http://', 'http://'],
    ['another login', whole.replace(state, 'other')],
  ])('%s is none of this login', (_, text) => {
    expect(isOtherLogin(errorOf(() => checkPasted(text, expected)))).toBe(true);
  });

  it('a code alone is not enough where the provider promises to say who it is', () => {
    const error = errorOf(() => checkPasted('c0de', { ...expected, issIsAdvertised: true }));
    expect(isOtherLogin(error)).toBe(true);
    expect(error.hint).toContain('paste the whole address');
  });

  it('an error of the provider ends the login as it does in the browser', () => {
    const refused = answer({ state, error: 'access_denied' }).href;
    expect(errorOf(() => checkPasted(refused, expected))).toMatchObject({ code: 'AUTH_DENIED' });
  });
});

it('hasState compares whole values of any length', () => {
  for (const given of ['', 's', state.slice(0, -1), `${state}x`, 'ſtate'])
    expect(hasState(answer({ state: given }), state)).toBe(false);
  expect(hasState(answer({ state }), state)).toBe(true);
});
