/** The screen of `top` at several sizes, with servers of every kind. */
import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import { type TopLook, topData } from '../../../../src/cli/top/model.js';
import { pageSize, plainText, screenLines, type TopStyle } from '../../../../src/cli/top/render.js';
import { firstView, type TopView } from '../../../../src/cli/top/view.js';
import { displayWidth } from '../../../../src/core/display-width.js';
import type { LogLine } from '../../../../src/state/log-line.js';
import { at, dataOf, look, serverStatus } from './rows.js';

const sizes = [
  [20, 5],
  [80, 24],
  [200, 60],
  // The least there is, and odd ones.
  [1, 1],
  [7, 2],
  [40, 11],
  [79, 12],
  [100, 4],
] as const;
const styleOf = (columns: number, rows: number, more: Partial<TopStyle> = {}): TopStyle => ({
  columns,
  rows,
  color: false,
  redact: (text) => text,
  ...more,
});
const inSeconds = (seconds: number) => new Date(at + seconds * 1000).toISOString();
const lastError = {
  code: 'UNAVAILABLE' as const,
  message: 'connect ECONNREFUSED 127.0.0.1:9',
  hint: 'mcpctl doctor down',
  at: '',
};
const closed = serverStatus('x').breaker;
const auth = (state: 'valid' | 'expiring' | 'expired' | 'required', expiresAt: string | null = null) => ({
  auth: { state, expiresAt, scopes: [], account: null },
});

/** One of every kind. */
const zoo = look(
  [
    serverStatus('calm'),
    serverStatus('busy', { pool: { open: 4, idle: 0, inUse: 4, waiting: 3 }, ...auth('valid', inSeconds(3 * 3600)) }),
    serverStatus('down', { status: 'error', retryAt: inSeconds(12), lastError, latencyMs: null }),
    serverStatus('open', { breaker: { ...closed, state: 'open', openUntil: inSeconds(28) }, ...auth('expired') }),
    serverStatus('held', { breaker: { ...closed, state: 'open' }, ...auth('expiring', inSeconds(50)) }),
    serverStatus('half', { breaker: { ...closed, state: 'half-open' }, health: 'degraded' }),
    serverStatus('login', { status: 'needs-auth', ...auth('required') }),
    serverStatus('off', { status: 'disabled' }),
    serverStatus('new', { status: 'untrusted' }),
  ],
  {
    health: { status: 'degraded', ready: true },
    reports: new Map([
      ['busy', { calls: 1_234_567, failed: 12_345, errors: { timeout: 12_000, tool: 345 } }],
      ['calm', { calls: 0, failed: 0, errors: {} }],
    ]),
    recent: new Map([
      [
        'busy',
        {
          slotMs: 30_000,
          p50: [...Array(18).fill(null), 10, 20],
          p95: [...Array(16).fill(null), 10, 20, 40, 80],
          all: { p50: 15, p95: 80 },
        },
      ],
      ['calm', { slotMs: 30_000, p50: Array(20).fill(null), p95: Array(20).fill(null), all: null }],
    ]),
  },
);
const zooData = topData(
  { ...zoo, at: at - 1000, reports: new Map([['busy', { calls: 1_234_525, failed: 0, errors: {} }]]) },
  zoo,
);
const lineOf = (lines: readonly string[], name: string) => lines.find((line) => line.includes(name))!;

describe('the screen', () => {
  it('at 80 x 24 has state, rate, errors, latency, breaker, login and pool of each server', () => {
    const lines = screenLines(zooData, firstView, styleOf(80, 24)).map(stripVTControlCharacters);
    expect(lines).toEqual(
      [
        'manager 4242, up 3 h  degraded  5/9 connected  42 calls/s',
        '',
        'SERVER▲      STATE        CALLS/S ERRORS    P95 P95 4m   BREAKER   POOL  LOGIN  ',
        expect.stringMatching(/^● busy +connected +42 +12k +80 ms ····▁▂▄█ closed +4\/4\+3 3h +$/),
        expect.stringMatching(/^● calm +connected +0 +0 +- ········ closed +0\/1 +-/),
        expect.stringMatching(/^✗ down +error, 12s +0 +0 +- +closed +0\/1 +-/),
        expect.stringMatching(/^● half +degraded .* half-open /),
        expect.stringMatching(/^● held +connected .* open +0\/1 +50s/),
        expect.stringMatching(/^! login +needs-auth .* log in/),
        expect.stringMatching(/^\? new +untrusted /),
        expect.stringMatching(/^– off +disabled /),
        expect.stringMatching(/^● open +connected .* open 28s +0\/1 +expired/),
        ...Array(9).fill(''),
        'busy: failed: 12000 timeout, 345 tool; node busy.js',
        'n/c/e/l sort  ↑↓ select  Enter log  r reconnect  d disable  ? help  q quit',
      ]
        .toSpliced(21, 0, '')
        .slice(0, 24),
    );
  });

  it('at 200 x 60 adds calls, their share of errors, P50, pings, 10 minutes of bars, and why a server is down', () => {
    const lines = screenLines(zooData, firstView, styleOf(200, 60)).map(stripVTControlCharacters);
    expect(lines[2]).toMatch(/^SERVER▲ +STATE +CALLS\/S +CALLS +ERRORS +ERR % +P50 +P95 +P95 10m +PING +BREAKER +POOL +LOGIN/);
    expect(lineOf(lines, '● busy')).toMatch(/ 42 +1\.2M +12k +1 +15 ms +80 ms +·{16}▁▂▄█ +4 ms +closed/);
    expect(lineOf(lines, '✗ down')).toContain('UNAVAILABLE: connect ECONNREFUSED 127.0.0.1:9');
    expect(lines.at(-1)).toContain('Enter log   r reconnect   d disable/enable');
  });

  it('at 20 x 5 has the title, the heads, two servers and the keys', () => {
    const lines = screenLines(zooData, firstView, styleOf(20, 5)).map(stripVTControlCharacters);
    expect(lines).toEqual([
      'manager 4242, up 3 h',
      'SERVER▲      CALLS/S',
      '● busy            42',
      '● calm             0',
      '? help  q quit',
    ]);
  });

  describe.each(sizes)('at %d x %d', (columns, rows) => {
    const hostile = [
      '\x1b]0;owned\x07\x1b[2J\x1b[999Bgone',
      'line\nbreak\ttab\rback',
      '日本語のとても長いサーバーの名前です',
      '👩‍👩‍👧‍👦'.repeat(30),
      `${'a\u0301'.repeat(60)}`,
      '\u202Egnp.exe\u200b\u2066',
      'x'.repeat(5000),
      '❤️❤️❤️❤️❤️❤️❤️❤️❤️❤️❤️❤️❤️❤️❤️',
      '',
    ].map((name) => serverStatus(name, { target: name, status: 'error', lastError: { ...lastError, message: name } }));
    const hundred = Array.from({ length: 100 }, (_, i) => serverStatus(`server-${String(i).padStart(3, '0')}`));
    const log: LogLine[] = hostile.map(({ name }) => ({ at: inSeconds(0), pid: 1, kind: 'err', text: name }));
    const views: [string, TopView, TopLook][] = [
      ['no server', firstView, look([])],
      ['one of every kind', firstView, zoo],
      ['100 servers', { ...firstView, selected: 'server-050' }, look(hundred)],
      ['hostile names', firstView, look(hostile)],
      ['a question about a hostile name', { ...firstView, asks: { disable: hostile[0]!.name } }, look(hostile)],
      ['a hostile message', { ...firstView, message: hostile[0]!.name + hostile[2]!.name }, look(hostile)],
      ['the help', { ...firstView, page: 'help' }, zoo],
      ['a hostile log', { ...firstView, page: 'log', selected: hostile[2]!.name }, look(hostile)],
      ['an empty log', { ...firstView, page: 'log', selected: 'calm' }, zoo],
    ];
    it.each(views)(
      '%s: exactly as many lines, none wider, no control character, the same text with colours',
      (what, view, seen) => {
        const data = topData(undefined, seen);
        const lines = screenLines(data, view, styleOf(columns, rows), what.includes('hostile') ? log : []);
        expect(lines).toHaveLength(rows);
        const colored = screenLines(data, view, styleOf(columns, rows, { color: true }), what.includes('hostile') ? log : []);
        for (const [index, line] of lines.entries()) {
          expect(displayWidth(line), line).toBeLessThanOrEqual(columns);
          // The selection is shown in reverse, with colours or without.
          expect(line.replace(/^\x1b\[7m(.*)\x1b\[27m$/, '$1')).not.toMatch(/[\x00-\x1f\x7f-\x9f\u200b\u202e]/);
          expect(colored[index]!.replace(/\x1b\[[\d;]*m/g, '')).toBe(line.replace(/\x1b\[2?7m/g, ''));
        }
      },
    );

    it.each([0, 1, 49, 98, 99])('of 100 servers, number %d is on the screen when it is selected, once, in reverse', (index) => {
      const view = { ...firstView, selected: hundred[index]!.name };
      const lines = screenLines(topData(undefined, look(hundred)), view, styleOf(Math.max(columns, 20), rows));
      const reversed = lines.filter((line) => line.startsWith('\x1b[7m'));
      // A single row is the title.
      expect(reversed.map((line) => /server-\d+/.exec(line)?.[0])).toEqual(rows === 1 ? [] : [hundred[index]!.name]);
    });
  });

  it('of 100 servers at 80 x 24 says which are shown, and keeps the list still while the selection moves within a page', () => {
    const data = dataOf(...Array.from({ length: 100 }, (_, i) => serverStatus(`s${String(i).padStart(2, '0')}`)));
    const style = styleOf(80, 24);
    expect(pageSize(24)).toBe(18);
    const names = (selected: string) =>
      screenLines(data, { ...firstView, selected }, style).flatMap((line) => /● (s\d\d)/.exec(line)?.[1] ?? []);
    expect(names('s17')).toEqual(names('s00'));
    expect(names('s18')[0]).toBe('s18');
    expect(screenLines(data, { ...firstView, selected: 's18' }, style)[21]).toBe('19-36 of 100');
    expect(names('s99').at(-1)).toBe('s99');
  });

  it('takes secrets out of names, errors, questions and logs', () => {
    const secret = 'hunter22';
    const server = serverStatus(secret, { status: 'error', target: secret, lastError: { ...lastError, message: secret } });
    const style = styleOf(200, 24, { redact: (text) => text.replaceAll(secret, '***') });
    const log: LogLine[] = [{ at: inSeconds(0), pid: 1, kind: 'err', text: secret }];
    for (const view of [
      firstView,
      { ...firstView, asks: { disable: secret } },
      { ...firstView, page: 'log' as const, selected: secret },
    ]) {
      const text = screenLines(dataOf(server), view, style, log).join('\n');
      expect(text).not.toContain(secret);
      expect(text).toContain('***');
    }
  });

  it('has room for all figures of a busy pool from 100 columns on', () => {
    const pool = { open: 10, idle: 0, inUse: 10, waiting: 256 };
    const shown = (columns: number) => screenLines(dataOf(serverStatus('a', { pool })), firstView, styleOf(columns, 24))[3];
    for (const columns of [100, 104, 120, 200]) expect(shown(columns)).toContain(' 10/10+256 ');
    expect(shown(80)).toContain(' 10/1… ');
  });

  it('shows the order by an arrow at its column', () => {
    const head = (by: 'calls' | 'errors' | 'latency', isReversed = false) =>
      screenLines(zooData, { ...firstView, sort: { by, isReversed } }, styleOf(80, 24))[2];
    expect(head('calls')).toContain('CALLS/▼');
    expect(head('errors')).toContain('ERROR▼');
    expect(head('latency', true)).toContain('P95▲');
  });
});

describe('the log on the screen', () => {
  const log: LogLine[] = Array.from({ length: 50 }, (_, i) => ({
    at: inSeconds(i),
    pid: 1,
    kind: i % 2 ? 'mcp' : 'err',
    text: `line ${i}`,
  }));
  const view: TopView = { ...firstView, page: 'log', selected: 'calm' };

  it('ends with the last line, and with an older one when it is scrolled', () => {
    const lines = screenLines(zooData, view, styleOf(60, 10), log);
    expect(lines[0]).toBe('log of calm  (following, times in UTC)');
    expect(lines[8]).toBe('12:00:49 [mcpctl] line 49');
    const up = screenLines(zooData, { ...view, scrolled: 5 }, styleOf(60, 10), log);
    expect([up[0], up[8]]).toEqual(['log of calm  (5 rows above the end, times in UTC)', '12:00:44 line 44']);
    expect(screenLines(zooData, { ...view, scrolled: 1e9 }, styleOf(60, 10), log)[1]).toBe('12:00:00 line 0');
  });

  it('goes on in the next row where a line is too long', () => {
    const long: LogLine[] = [{ at: inSeconds(0), pid: 1, kind: 'err', text: 'ab'.repeat(20) }];
    expect(screenLines(zooData, view, styleOf(30, 6), long).slice(1, 3)).toEqual([
      '12:00:00 ababababababababababa',
      'bababababababababab',
    ]);
  });
});

describe('the text for a pipe', () => {
  it('has the time, every server and no key, and ends with an empty line', () => {
    const lines = plainText(zooData, { columns: 120, color: false }).split('\n');
    expect(lines[0]).toMatch(/^2026-03-01 12:00:00 UTC {2}manager 4242, up 3 h {2}degraded/);
    expect(lines).toHaveLength(13);
    expect(lines.slice(-2)).toEqual(['', '']);
    expect(lines.join('\n')).not.toMatch(/q quit|\x1b|[^\S\n]\n/);
  });
});
