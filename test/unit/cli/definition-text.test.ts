/** The text one decides by: every field, nothing shortened, nothing hidden. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables as users write them in a file
import { describe, expect, it } from 'vitest';
import { definitionText } from '../../../src/cli/definition-text.js';
import type { JsonValue } from '../../../src/config/document.js';
import type { Proposal } from '../../../src/config/proposal.js';
import { sanitizeText } from '../../../src/core/sanitize.js';

const proposal = (entry: JsonValue, more: Partial<Proposal> = {}): Proposal => ({
  server: 'a',
  project: { root: '/p', file: '/p/.mcp.json' },
  entry,
  fingerprint: 'f'.repeat(64),
  state: 'missing',
  stored: undefined,
  ...more,
});
const text = (entry: JsonValue, more?: Partial<Proposal>, env = {}) => definitionText(proposal(entry, more), env);

describe('definitionText', () => {
  it('shows every field on a line of its own, values quoted, and which variables are set', () => {
    const entry = {
      command: 'npx',
      args: ['-y', 'a b', ''],
      env: { TOKEN: '${T}', 'A B': 'x' },
      stop: { command: ['s'] },
      odd: 1,
    };
    expect(text(entry, {}, { T: 'canary' })).toBe(
      [
        'Server "a"',
        '  of the file        "/p/.mcp.json"',
        '  in the project     "/p"',
        'It is a program, started on this machine with your rights. All that is written about it:',
        '  command          "npx"',
        '  args[0]          "-y"',
        '  args[1]          "a b"',
        '  args[2]          ""',
        '  env.TOKEN        "${T}"',
        '  env["A B"]       "x"',
        '  stop.command[0]  "s"',
        '  odd              1',
        'It runs in "/p".',
        'It is given the values of these variables of yours:',
        '  T (set)',
        `Fingerprint: ${'f'.repeat(64)}`,
      ].join('\n'),
    );
  });

  it('shows an address with its headers, and what counts nowhere in a project file', () => {
    const shown = text({ headers: { 'X-A': '1' }, url: 'https://x.example', inheritEnv: true, oauth: { allowHosts: ['*'] } });
    expect(shown).toContain('It is an address, called over HTTP.');
    expect(shown).toContain('  url                  "https://x.example"\n  headers.X-A          "1"\n');
    expect(shown).toContain('inheritEnv           true (ignored in a project file)');
    expect(shown).toContain('oauth.allowHosts[0]  "*" (ignored in a project file)');
    expect(shown).not.toContain('It runs in');
  });

  it('shows the login of an address whole, and the variable that its secret comes from', () => {
    const oauth = { clientId: 'c', clientSecretEnv: 'GITHUB_SECRET', authEndpoint: 'https://a', tokenEndpoint: 'https://b' };
    const shown = text({ url: 'https://x.example', oauth, later: '${NO}' }, {}, { GITHUB_SECRET: 'canary' });
    expect(shown).toContain(
      [
        '  oauth.clientId         "c"',
        '  oauth.clientSecretEnv  "GITHUB_SECRET"',
        '  oauth.authEndpoint     "https://a"',
        '  oauth.tokenEndpoint    "https://b"',
        '  later                  "${NO}"',
        'It is given the values of these variables of yours:',
        '  GITHUB_SECRET (set)',
        'Fingerprint',
      ].join('\n'),
    );
    expect(text({ url: 'https://x.example', oauth: { clientId: '${NO}', clientSecret: '${S}' } })).toContain(
      'variables of yours:\n  S (not set)\nFingerprint',
    );
  });

  it('shows a value of 50 000 characters whole, and says how many fields there are to read', () => {
    const long = 'x'.repeat(50_000);
    expect(text({ command: 'c', args: [long] })).toContain(`"${long}"`);
    const many = text({ command: 'c', args: Array.from({ length: 30 }, (_, n) => `${n}`) });
    expect(many).toContain('args[29]');
    expect(many).toMatch(/\n31 fields: scroll up and read all of them\.$/);
  });

  it.each([
    ['an escape sequence', 'rm\x1b[8m -rf', '"rm\\u001b[8m -rf"'],
    ['its 8-bit form', 'rm\x9b8m', '"rm\\u009b8m"'],
    ['a line break', 'a\nb', '"a\\nb"'],
    ['a text that goes backwards', 'a\u202eb', '"a\\u202eb"'],
    ['a character without width', 'a\u200bb', '"a\\u200bb"'],
    ['a letter of another alphabet', 'с\u00a0url', '"с\u00a0url" (not ASCII: U+0441, U+00A0)'],
    ['a quote', 'a" b', '"a\\" b"'],
  ])('does not hide %s, in a value or in a name, also after the terminal is protected', (_what, word, shown) => {
    expect(sanitizeText(text({ command: word }))).toContain(`  command  ${shown}\n`);
    expect(sanitizeText(text({ env: { [word]: '1' }, command: 'c' }))).toContain(`env[${shown}]`);
  });

  it('shows what has changed since the approval, field by field', () => {
    const stored = { fingerprint: '0', approvedAt: '2026-01-02T03:04:05.000Z', entry: { command: 'c', args: ['1'], cwd: '/' } };
    const lines = text({ command: 'c', args: ['2', '3'] }, { state: 'changed', stored }).split('\n');
    expect(lines.slice(lines.indexOf('Changed since you approved it on 2026-01-02T03:04:05.000Z:') + 1, -1)).toEqual([
      '  - args[0]: "1"',
      '  + args[0]: "2"',
      '  - cwd: "/"',
      '  + args[1]: "3"',
    ]);
  });
});
