/** Text of a server that would move the cursor, hide words or write to the clipboard: none of it reaches a terminal, and JSON keeps all of it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from '../support/run-cli.js';
import type { TempHome } from '../support/temp-home.js';
import { startTerminal } from '../support/terminal.js';
import { fixture, homeWith } from './kit.js';

/** Single characters that no terminal may get: C0 without \n and \t, DEL, C1, bidi, zero-width, fillers, separators, tags. */
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => String.fromCodePoint(from + i));
const dangerous = [
  ...range(0x00, 0x08),
  ...range(0x0b, 0x1f),
  ...range(0x7f, 0x9f),
  '\u00ad',
  '\u061c',
  '\u180e',
  ...range(0x200b, 0x200f),
  ...range(0x2028, 0x202e),
  ...range(0x2060, 0x2064),
  ...range(0x2066, 0x206f),
  '\u3164',
  '\ufeff',
  '\uffa0',
  ...range(0xfff9, 0xfffb),
  String.fromCodePoint(0xe0041),
  String.fromCodePoint(0xe007f),
];

/** These begin a sequence, so that what follows belongs to it. */
const introducers = ['\x1b', '\x90', '\x98', '\x9b', '\x9d', '\x9e', '\x9f'];

const sequences = [
  '\x1b[2J\x1b[H', // clear
  '\x1b[31mred\x1b[0m',
  '\x1b]0;title\x07',
  '\x1b]52;c;ZXZpbA==\x07', // clipboard
  '\x1b]8;;https://evil.example/\x1b\\link\x1b]8;;\x1b\\',
  '\x1bP1$r0m\x1b\\',
  '\x1b_G=0\x1b\\',
  '\x1b[6n', // asks the terminal to type
  '\x1b[?1049h',
  '\x1b[1;1Herror: forged',
  '\x9b31mc1',
  '\x9d0;title\x9c',
  '\x90q\x9c',
  '\x1b]0;unterminated',
  '\x1b[unfinished',
  '\x1b',
  'line\rover',
  'a\x08\x08b',
  '\x1bc', // reset
  '\u202egnp.exe',
];
/** Each one between two words, so that it must not take them along. */
const attacks = [...dangerous.map((character) => `before${character}after`), ...sequences.map((text) => `safe ${text}`)];

const raw =
  /[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/u;

/** What is left of a terminal's output when our own colours, spinner and line ends are taken out. */
const ownSequences = /\x1b\[(?:[0-9;]*m|\?25[lh]|\?2026[lh]|[012]?K|\d*G|1A|J)|\r(?=\n|\x1b|$)/g;

const lines = [
  'status',
  'status --verbose',
  'servers',
  'tools --schema --cost',
  'tool evil/hostile',
  'call evil/hostile',
  'call evil/hostile --verbose',
  'call evil/fail',
  'call evil/refuse',
  'call evil/refuse --verbose',
  'call evil/die',
  'call evil/nope',
  'call nope',
  'ping evil --verbose',
  'reconnect evil --verbose',
  'config show',
];

describe(`a server with ${attacks.length} hostile texts in everything it says`, () => {
  let home: TempHome;
  beforeAll(async () => {
    home = await homeWith({});
    const file = await home.write('attacks.json', attacks);
    await home.writeConfig({ mcpServers: { evil: { command: process.execPath, args: [fixture('e2e-hostile.mjs'), file] } } });
  });
  afterAll(() => home[Symbol.asyncDispose]());

  it('is more than 100 different ones', () => expect(new Set(attacks).size).toBeGreaterThan(100));

  it.each(lines)('%s: no raw character reaches stdout or stderr, piped or on a terminal', async (line) => {
    const piped = await runCli(line.split(' '), { home });
    expect(piped.stdout).not.toMatch(raw);
    expect(piped.stderr).not.toMatch(raw);
    await using terminal = startTerminal(line.split(' '), { home, columns: 200 });
    await terminal.exited;
    expect(terminal.raw.length).toBeGreaterThan(0);
    expect(terminal.raw.replace(ownSequences, '')).not.toMatch(raw);
  });

  it('shows hidden characters by their number, and keeps the words around what it removes', async () => {
    const { stdout } = await runCli(['call', 'evil/hostile'], { home });
    expect(stdout).toContain('before<U+202E>after');
    expect(stdout).toContain('before<U+E0041>after');
    expect(stdout).toContain('before<U+FEFF>after');
    expect(stdout.match(/before\S*after/g)).toHaveLength(dangerous.length - introducers.length);
  });

  it('JSON escapes all of them and gives the original back: results, lists, errors', async () => {
    const call = await runCli(['call', 'evil/hostile', '--json'], { home });
    expect(call.stdout).not.toMatch(raw);
    const { content } = JSON.parse(call.stdout) as { content: { text: string }[] };
    expect(content.map(({ text }) => text)).toEqual(attacks);

    const all = attacks.join('|');
    const list = await runCli(['tools', '--json'], { home });
    expect(list.stdout).not.toMatch(raw);
    const { tools } = JSON.parse(list.stdout) as { tools: { name: string; description: string }[] };
    expect(tools.at(-1)).toMatchObject({ name: `name${all}`, description: all });

    const refused = await runCli(['call', 'evil/refuse', '--json'], { home });
    expect(refused.stderr).not.toMatch(raw);
    expect(JSON.parse(refused.stderr)).toMatchObject({ error: { code: 'REQUEST_REFUSED' } });

    const status = await runCli(['status', '--json'], { home });
    expect(status.stdout).not.toMatch(raw);
    expect(JSON.parse(status.stdout)).toMatchObject({ servers: [{ serverInfo: { name: `hostile${all}`, version: all } }] });
  });
});

it('a secret that the server breaks with an escape sequence is masked all the same', async () => {
  const secret = 'the-secret-of-ada-1234';
  await using home = await homeWith({});
  const file = await home.write('attacks.json', [`it is the-secret\x1b[0m-of-ada-1234`]);
  const server = { command: process.execPath, args: [fixture('e2e-hostile.mjs'), file], env: { API_TOKEN: secret } };
  await home.writeConfig({ mcpServers: { evil: server } });
  for (const line of ['tools', 'tool evil/hostile', 'status --verbose']) {
    const { stdout, stderr } = await runCli(line.split(' '), { home });
    expect(stdout + stderr).not.toContain(secret);
  }
  expect((await runCli(['tool', 'evil/hostile'], { home })).stdout).toContain('it is [redacted]');
});
