/** Which events become lines at the prompt, how they read, and that they never become noise. */
import { beforeEach, describe, expect, it } from 'vitest';
import { Notices } from '../../../src/cli/notices.js';
import type { ErrorCode } from '../../../src/core/errors.js';
import { Redactor } from '../../../src/core/redact.js';
import type { ManagerEvent } from '../../../src/manager/server-status.js';
import { FakeClock } from '../../support/fake-clock.js';

type StateEvent = Extract<ManagerEvent, { type: 'server-state' }>;

let clock: FakeClock;
let blocks: string[][];
let counts: Map<string, number>;
let notices: Notices;
const redactor = new Redactor();
redactor.add('s3cr3t-value');

beforeEach(() => {
  clock = new FakeClock();
  blocks = [];
  counts = new Map();
  notices = new Notices({
    clock,
    redactor,
    color: false,
    toolCount: (server) => counts.get(server),
    print: (lines) => blocks.push([...lines]),
  });
});

const state = (server: string, from: StateEvent['from'], to: StateEvent['to'], more: Partial<StateEvent> = {}) =>
  notices.handle({ type: 'server-state', server, from, to, error: null, retryAt: null, durationMs: null, ...more });

const error = (code: ErrorCode, message: string, hint: string | null = null) => ({
  code,
  message,
  hint,
  at: '2026-01-01T00:00:00Z',
});

/** A failed attempt whose next try comes in `waitMs`; `null` = none will come. */
function fail(
  server: string,
  waitMs: number | null,
  what = error('UNAVAILABLE', `Server "${server}" is unavailable: connection refused`),
) {
  const retryAt = waitMs === null ? null : new Date(clock.date().getTime() + waitMs).toISOString();
  state(server, 'connecting', 'error', { error: what, retryAt, durationMs: 5 });
}

const lines = () => blocks.flat();

describe('Notices', () => {
  it('tells that a circuit opened and closed in one line each, and neither that it is half-open nor what a command tells itself', async () => {
    const breaker = (to: 'open' | 'half-open' | 'closed', more: { tool?: string; openUntil?: string | null } = {}) =>
      notices.handle({
        type: 'breaker-changed',
        server: 'files',
        tool: null,
        from: 'closed',
        to,
        openUntil: to === 'open' ? '2026-01-01T00:00:30.000Z' : null,
        failures: 5,
        ...more,
      });
    breaker('open');
    breaker('half-open');
    breaker('closed');
    breaker('open', { tool: 'sea\u001brch' });
    breaker('open', { openUntil: null });
    const unmute = notices.mute((server) => server === 'files');
    breaker('open');
    unmute();
    await clock.advance(50);
    expect(lines()).toEqual([
      '! files: circuit open after 5 failures in a row, no calls until 00:00:30 UTC',
      '+ files: circuit closed, calls go through again',
      '! files/seach: circuit open after 5 failures in a row, no calls until 00:00:30 UTC',
      '! files: circuit opened by hand, no calls',
    ]);
  });

  it('tells connection, tools and time of one server in one line, 50 ms after the tools are known', async () => {
    state('files', 'connecting', 'connected', { durationMs: 312 });
    await clock.advance(30);
    notices.handle({ type: 'tools-changed', server: 'files', count: 14 });
    await clock.advance(49);
    expect(lines()).toEqual([]);
    await clock.advance(1);
    expect(lines()).toEqual(['+ files connected, 14 tools, 312 ms']);
  });

  it('finds the first list of tools, which is no event, and says "1 tool"', async () => {
    state('files', 'connecting', 'connected', { durationMs: 1_240 });
    await clock.advance(200);
    counts.set('files', 1);
    await clock.advance(100);
    expect(lines()).toEqual(['+ files connected, 1 tool, 1.2 s']);
  });

  it('does not wait longer than 1 s for tools that do not come', async () => {
    state('slow', 'connecting', 'connected', { durationMs: 100 });
    await clock.advance(1_049);
    expect(lines()).toEqual([]);
    await clock.advance(1);
    expect(lines()).toEqual(['+ slow connected, 100 ms']);
    expect(clock.pending()).toEqual([]);
  });

  it('says why a server is unavailable and when the next try comes', async () => {
    fail('github', 4_000);
    await clock.advance(50);
    expect(lines()).toEqual(['! github unavailable: connection refused; next try in 4 s']);
  });

  it('says that a crash loop was given up, and what to type', async () => {
    fail('broken', null, error('CRASH_LOOP', 'Server "broken" keeps exiting', 'mcpctl reconnect broken'));
    await clock.advance(50);
    expect(lines()).toEqual(['x broken gave up after 5 exits in 60 s; /mcp reconnect broken']);
  });

  it('gives the hint of a failure that is final', async () => {
    fail('bad', null, error('CONFIG_INVALID', 'The variable TOKEN is missing', 'set TOKEN'));
    await clock.advance(50);
    expect(lines()).toEqual(['x bad: The variable TOKEN is missing; set TOKEN']);
  });

  it('asks for a login once', async () => {
    for (let i = 0; i < 3; i++)
      state('web', 'connecting', 'needs-auth', { error: error('AUTH_REQUIRED', 'x', 'mcpctl auth web') });
    await clock.advance(50);
    expect(lines()).toEqual(['! web needs a login; mcpctl auth web']);
  });

  it('tells 3 of 20 equal failures, the third with a word on where to look, then the recovery', async () => {
    for (let i = 0; i < 20; i++) {
      state('github', 'error', 'connecting');
      fail('github', 60_000);
      await clock.advance(60_000);
    }
    expect(lines()).toHaveLength(3);
    expect(lines()[2]).toBe('! github unavailable: connection refused; next try in 1 m; it goes on trying, /mcp status tells');
    counts.set('github', 3);
    state('github', 'connecting', 'connected', { durationMs: 10 });
    await clock.advance(50);
    expect(lines()[3]).toBe('+ github connected, 3 tools, 10 ms');
  });

  it('still tells that a server was lost after its recovery, even when it failed often before', async () => {
    counts.set('a', 1);
    for (let i = 0; i < 5; i++) fail('a', 1_000);
    state('a', 'connecting', 'connected', { durationMs: 10 });
    await clock.advance(1_000);
    const before = lines().length;
    state('a', 'connected', 'error', { error: error('SERVER_EXITED', 'Server "a" exited with code 1'), retryAt: null });
    await clock.advance(50);
    expect(lines().slice(before)).toEqual(['x a exited with code 1; /mcp reconnect a']);
  });

  it('says nothing about a session that renewed itself', async () => {
    counts.set('a', 1);
    state('a', 'connecting', 'connected');
    await clock.advance(50);
    state('a', 'connected', 'connecting');
    state('a', 'connecting', 'connected');
    await clock.advance(2_000);
    expect(lines()).toHaveLength(1);
  });

  it('says nothing about disable, and tells the connection after enable', async () => {
    counts.set('a', 1);
    state('a', 'connecting', 'connected');
    state('a', 'connected', 'disabled');
    state('a', 'disabled', 'disconnected');
    state('a', 'disconnected', 'connecting');
    await clock.advance(50);
    blocks = [];
    state('a', 'connecting', 'connected');
    await clock.advance(50);
    expect(lines()).toEqual(['+ a connected, 1 tool']);
  });

  it('forgets the connection it was going to tell when the server fails before that', async () => {
    state('a', 'connecting', 'connected');
    await clock.advance(100);
    state('a', 'connected', 'error', { error: error('SERVER_EXITED', 'Server "a" exited'), retryAt: null });
    await clock.advance(2_000);
    expect(lines()).toEqual(['x a exited; /mcp reconnect a']);
  });

  it('prints servers that settle within 50 ms together: 4 as lines, 5 in one line', async () => {
    for (const name of ['a', 'b', 'c', 'd']) {
      counts.set(name, 2);
      state(name, 'connecting', 'connected', { durationMs: 10 });
    }
    await clock.advance(50);
    expect(blocks).toHaveLength(1);
    expect(blocks[0]).toHaveLength(4);
    for (const name of ['e', 'f', 'g', 'h', 'i']) {
      counts.set(name, 2);
      state(name, 'connecting', 'connected', { durationMs: 10 });
    }
    fail('j', 1_000);
    await clock.advance(50);
    expect(blocks[1]).toEqual([
      '+ 5 servers connected: e (2 tools), f (2 tools), g (2 tools), h (2 tools), i (2 tools)',
      '! j unavailable: connection refused; next try in 1 s',
    ]);
  });

  it('tells a changed number of tools, and an unchanged one not', async () => {
    counts.set('a', 2);
    state('a', 'connecting', 'connected');
    notices.handle({ type: 'tools-changed', server: 'a', count: 2 });
    notices.handle({ type: 'tools-changed', server: 'a', count: 5 });
    await clock.advance(50);
    expect(lines()).toEqual(['+ a connected, 2 tools', '~ a has 5 tools now (before: 2)']);
  });

  it('tells a warning once, and at most 20 different ones of a server', async () => {
    for (let i = 0; i < 100; i++) notices.handle({ type: 'warning', server: 'a', message: `oddity ${i % 50}` });
    notices.handle({ type: 'warning', server: null, message: 'general' });
    await clock.advance(50);
    expect(lines()).toHaveLength(21);
    expect(lines()[0]).toBe('! a: oddity 0');
    expect(lines()[20]).toBe('! general');
  });

  it('is silent about servers that the running command reports, and about nobody else', async () => {
    const unmute = notices.mute((server) => server === 'a');
    counts.set('a', 1).set('b', 1);
    state('a', 'connecting', 'connected');
    state('b', 'connecting', 'connected');
    unmute();
    unmute();
    await clock.advance(50);
    expect(lines()).toEqual(['+ b connected, 1 tool']);
    fail('a', 1_000);
    await clock.advance(50);
    expect(lines()).toHaveLength(2);
  });

  it('lets nothing of a server through to the terminal: no escapes, no lines of its own, no secrets, no essay', async () => {
    fail(
      'a',
      null,
      error(
        'UNAVAILABLE',
        `Server "a" is unavailable: \x1b[2Jboo\r\n+ fake connected s3cr3t-value ${'x'.repeat(5_000)}`,
        'h\x1b]0;x\x07i',
      ),
    );
    notices.handle({ type: 'warning', server: 'a', message: '\x1b]52;c;AAAA\x07\u202ereversed' });
    await clock.advance(50);
    expect(lines()).toHaveLength(2);
    for (const line of lines()) {
      expect(line).not.toMatch(/[\x00-\x1f\x7f-\x9f\u202e]/);
      expect(line.length).toBeLessThan(500);
    }
    expect(lines()[0]).toContain('a unavailable: boo + fake connected [redacted]');
    expect(lines()[1]).toBe('! a: <U+202E>reversed');
  });

  it('ignores stderr lines and calls', async () => {
    notices.handle({ type: 'server-stderr', server: 'a', line: 'noise', isCut: false });
    notices.handle({ type: 'call-started', server: 'a', tool: 't', callId: 'a' });
    await clock.advance(2_000);
    expect(lines()).toEqual([]);
  });

  it('prints nothing after it was disposed of, and leaves no timer', async () => {
    state('a', 'connecting', 'connected');
    fail('b', 1_000);
    notices[Symbol.dispose]();
    expect(clock.pending()).toEqual([]);
    await clock.advance(2_000);
    expect(lines()).toEqual([]);
  });
});

describe('the configuration', () => {
  const tell = async (event: ManagerEvent) => {
    notices.handle(event);
    await clock.advance(50);
  };

  it('tells in one line what came, changed and went, five names each at most', async () => {
    const many = Array.from({ length: 8 }, (_, i) => `s${i}`);
    await tell({ type: 'config-changed', added: ['a', 'b'], removed: many, changed: [] });
    expect(lines()).toEqual(['~ configuration: added a, b; removed s0, s1, s2, s3, s4 and 3 more']);
  });

  it('tells a problem with its place, and that it is over', async () => {
    const message = `/home/u/${'long/'.repeat(60)}config.json:3:7: a comma is missing near s3cr3t-value`;
    await tell({ type: 'config-problem', message, file: '/c.json', line: 3, column: 7 });
    await tell({ type: 'config-changed', added: [], removed: [], changed: [] });
    expect(lines()).toEqual([
      `! the configuration cannot be used and stays as it was: ${message.replace('s3cr3t-value', '[redacted]')}`,
      '~ the configuration is valid again',
    ]);
  });

  it('tells the servers of a file that wait for an approval in one line, with the command to type', async () => {
    const file = '/p/.mcp.json';
    await tell({ type: 'approval-needed', file, servers: ['a', 'b'], changed: ['b'] });
    await tell({ type: 'approval-needed', file, servers: ['a'], changed: [] });
    await tell({ type: 'approval-needed', file, servers: ['b'], changed: ['b'] });
    expect(lines()).toEqual([
      '! 2 servers of /p/.mcp.json wait for your approval: a, b; mcpctl trust list',
      '! a of /p/.mcp.json waits for your approval; mcpctl trust approve a',
      '! b of /p/.mcp.json was changed and waits for a new approval; mcpctl trust approve b',
    ]);
  });

  it('lets no escape sequence of a name or path through', async () => {
    await tell({ type: 'approval-needed', file: '/p/\x1b[31m.mcp.json', servers: ['a\x1b[2J'], changed: [] });
    await tell({ type: 'config-changed', added: ['\x07b\nc'], removed: [], changed: [] });
    expect(lines().join('|')).not.toMatch(/[\x00-\x1f]/);
    expect(lines()).toHaveLength(2);
  });
});
