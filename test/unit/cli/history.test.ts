/** What may be stored of what was typed, and how the stored lines are kept in order. */
import { describe, expect, it } from 'vitest';
import { historyLimits, isStorable, tidyLines } from '../../../src/cli/history.js';
import { Redactor } from '../../../src/core/redact.js';

const redactor = new Redactor();
redactor.add('hunter2-long');

describe('isStorable', () => {
  it.each([
    'status',
    '/mcp call everything/echo message=hi',
    `call github/create_issue title="Bug" labels:='["p1"]'`,
    'enable files --session',
    'auth-save github',
    '/mcp auth-save github --json',
    'enable --session files',
    'call files/read_file path=https://example.com/a?b=c',
    'call x/y key=value # note',
    'call x/y text="see: this"',
    'call x/y sort_key=name',
    "add x https://a.example --header 'Authorization: Bearer ${TOKEN}'",
    'add --env API_KEY=${API_KEY} x -- prog --token ${TOKEN}',
    '/mcp add x https://a.example?token=${TOKEN}',
  ])('stores %j', (line) => {
    expect(isStorable(line, redactor)).toBe(true);
  });

  it.each([
    ['an empty line', ''],
    ['spaces', '   '],
    ['a leading space, by which a person asks for it', ' status'],
    ['a registered secret', 'call x/y z=hunter2-long'],
    ['a registered secret in base64', `call x/y z=${Buffer.from('hunter2-long').toString('base64')}`],
    ['an argument named token', 'call x/y token=abc'],
    ['an argument with a secret part in its name', 'call x/y github_token=abc'],
    ['raw JSON under a secret name', `call x/y apiKey:='"abc"'`],
    ['a quoted secret name', 'call x/y "to"k"en=abc"'],
    ['an escaped secret name', 'call x/y to\\ken=abc'],
    ['a secret name in --args', `call x/y --args '{"user":"me","password":"abc"}'`],
    ['a secret name in nested JSON', `call x/y o:='{"a":{"client_secret" : "abc"}}'`],
    ['a header', "add x https://a.example --header 'Authorization: abc'"],
    ['a variable', 'add x --env API_KEY=abc -- node server.js'],
    ['a name that tells of a secret in a new server', 'add x --env ENCRYPTION_KEY=abc -- node server.js'],
    ['a secret flag of a new server', '/mcp add x prog --token abc'],
    ['a password in the URL of a new server', 'mcpctl add x https://me:abc@a.example'],
    ['a default that is a secret', 'add x https://a.example --header "Authorization: Bearer ${TOKEN:-abc}"'],
    ['a secret flag with its value', 'auth x --client-secret abc'],
    ['a secret flag with its value after =', 'auth x --client-secret=abc'],
    ['a token behind auth-save', 'auth-save github some-token'],
    ['a token behind auth-save, with a flag', '/mcp auth-save --json github some-token'],
    ['a bearer token', 'call x/y h="Bearer abc"'],
    ['a query parameter', 'call x/y url=https://a.example/?access_token=abc'],
    ['a password in a URL', 'call x/y url=https://me:abc@a.example/'],
    ['a GitHub token', 'call x/y z=ghp_0123456789abcdefABCDEF'],
    ['a JSON Web Token', 'call x/y z=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.x'],
    ['an escape sequence', 'call x/y z=\x1b]0;title\x07'],
    ['a newline', 'status\ncall x/y'],
    ['a right-to-left override', 'call x/y z=\u202eabc'],
    [`more than ${historyLimits.lineCharacters} characters`, 'a'.repeat(historyLimits.lineCharacters + 1)],
  ])('keeps in the session: %s', (_, line) => {
    expect(isStorable(line, redactor)).toBe(false);
  });

  it('judges the longest lines there are at once', () => {
    const line = 'a'.repeat(historyLimits.lineCharacters);
    const startedMs = performance.now();
    expect(isStorable(line, redactor)).toBe(true);
    expect(isStorable(`${'a '.repeat(historyLimits.lineCharacters / 2 - 1)}`, redactor)).toBe(true);
    // Generous: a pattern that backtracks exponentially takes hours.
    expect(performance.now() - startedMs).toBeLessThan(2_000);
  });
});

describe('tidyLines', () => {
  it('keeps the latest of equal lines, in order, newest last', () => {
    expect(tidyLines(['status', 'tools', 'status', 'ping a', 'tools'])).toEqual(['status', 'ping a', 'tools']);
  });

  it('keeps the newest 1,000 of 1,500 lines', () => {
    const lines = tidyLines(Array.from({ length: 1_500 }, (_, i) => `ping s${i}`));
    expect(lines).toHaveLength(1_000);
    expect(lines[0]).toBe('ping s500');
    expect(lines.at(-1)).toBe('ping s1499');
  });

  it('drops what a tampered file must not bring to a terminal', () => {
    expect(tidyLines(['status', '', '\x1b[2J', 'a\0b', 'tools\r', `${'x'.repeat(5_000)}`])).toEqual(['status', 'tools']);
  });
});
