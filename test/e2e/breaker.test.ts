/** The circuit breaker as its user meets it: in a loop of a shell, beside a manager, by hand, and at the prompt. */
import { describe, expect, it } from 'vitest';
import { startTcpServer } from '../support/http-server.js';
import { runCli } from '../support/run-cli.js';
import { startTerminal } from '../support/terminal.js';
import { documentOf, errorOf, faultServer, homeWith } from './kit.js';
import { managed } from './managed.js';

/** Takes connections and closes them; each attempt is one connection. */
const dead = () => startTcpServer((socket) => socket.destroy());
/** Each call is one try. */
const once = { retry: { strategy: 'none' } };

interface Shown {
  breaker: { state: string; openUntil: string | null; consecutiveFailures: number; rejected: number };
}

describe('single commands in a loop', () => {
  it('against a dead server: 5 fail, the next 3 end at once with exit 7 and make no connection; reconnect makes one', async () => {
    await using server = await dead();
    await using home = await homeWith({ it: { url: `${server.url}/mcp`, type: 'http', ...once } });
    const run = (words: string) => runCli([...words.split(' '), '--json'], { home });
    for (let i = 0; i < 5; i++) expect((await run('call it/x')).code).toBe(4);
    const connections = server.connections;
    for (let i = 0; i < 3; i++) {
      const result = await run('call it/x');
      expect(result.code).toBe(7);
      const { code, message, hint, server: name, details } = errorOf(result);
      expect({ code, hint, name }).toEqual({ code: 'CIRCUIT_OPEN', hint: 'to try it at once: mcpctl reconnect it', name: 'it' });
      expect(message).toMatch(/^Server "it" failed 5 times in a row and gets no calls for another [\d.]+ s$/);
      expect(details).toMatchObject({ state: 'open', consecutiveFailures: 5, retryAfterMs: expect.any(Number) });
      expect(details!.retryAfterMs as number).toBeLessThanOrEqual(30_000);
    }
    const { servers } = documentOf(await run('status')) as {
      servers: (Shown & { health: string; lastError: { code: string } })[];
    };
    expect(servers[0]).toMatchObject({ health: 'unhealthy', breaker: { state: 'open' }, lastError: { code: 'CIRCUIT_OPEN' } });
    expect(documentOf(await run('breaker it'))).toMatchObject({
      server: 'it',
      breaker: { state: 'open', consecutiveFailures: 5 },
    });
    expect(server.connections).toBe(connections);
    expect((await run('reconnect it')).code).toBe(4);
    expect(server.connections).toBeGreaterThan(connections);
    expect((await run('call it/x')).code).toBe(7);
    expect(errorOf(await run('breaker it close'))).toMatchObject({
      code: 'NO_MANAGER',
      hint: expect.stringMatching(/^mcpctl up/),
    });
  });

  it('at the same time, 8 of them: an opening is not lost to those that end later', async () => {
    await using server = await dead();
    const definition = { url: `${server.url}/mcp`, type: 'http', circuitBreaker: { maxFailures: 1 }, ...once };
    await using home = await homeWith({ it: definition });
    const run = () => runCli(['call', 'it/x', '--json'], { home });
    const codes = (await Promise.all(Array.from({ length: 8 }, run))).map(({ code }) => code);
    expect(codes.every((code) => code === 4 || code === 7)).toBe(true);
    expect((await run()).code).toBe(7);
  });

  it('find the server again when its time is over: 2 calls that work close the breaker', async () => {
    await using home = await homeWith({ it: { ...faultServer(), circuitBreaker: { maxFailures: 1, timeout: '1s' }, ...once } });
    const run = (words: string) => runCli([...words.split(' '), '--json'], { home });
    const state = async () => (documentOf(await run('breaker it')) as Shown).breaker.state;
    expect((await run('call it/crash')).code).toBe(8);
    const { openUntil } = (documentOf(await run('breaker it')) as Shown).breaker;
    // The file holds it: a command that starts after this moment may call.
    while (Date.now() <= Date.parse(openUntil ?? '')) await run('servers');
    expect(await state()).toBe('half-open');
    expect((await run('call it/echo text=a')).code).toBe(0);
    expect(await state()).toBe('half-open');
    expect((await run('call it/echo text=a')).code).toBe(0);
    expect(await state()).toBe('closed');
  });
});

describe('beside a manager', () => {
  it('is opened, shown, closed and reset by hand, from a shell and from a script', async () => {
    await using up = await managed();
    // Connected, and its tools are known: nothing else asks it now.
    await up.run('status fault');
    expect((await up.run('breaker fault open')).stdout).toMatch(/^fault: open since \S+Z, by hand\n/);
    const refused = await up.run('call fault/echo text=a');
    expect(refused).toMatchObject({
      code: 7,
      stdout: '',
      stderr: 'error: Server "fault" gets no calls: its circuit breaker was opened by hand\nhint: mcpctl breaker fault close\n',
    });
    expect((await up.run('status fault')).stdout).toMatch(/^● fault +connected \(circuit open\) /m);
    const { home } = up;
    const script = await runCli([], { home, input: '/mcp breaker fault close\ncall fault/echo text=a\nbreaker fault reset\n' });
    expect(script).toMatchObject({ code: 0, stderr: '' });
    expect(script.stdout).toMatch(
      /^fault: closed since [\s\S]*\n {2}refused +1\n[\s\S]*\na\nfault: closed [\s\S]*\n {2}refused +0\n/,
    );
  });
});

describe('at the prompt', () => {
  it('tells in one line each that the circuit opened and that it closed, and takes the command', async () => {
    const circuitBreaker = { maxFailures: 1, tools: { crash: { maxFailures: 1 } } };
    await using home = await homeWith({ fault: { ...faultServer(), circuitBreaker } });
    await using terminal = startTerminal([], { home });
    await terminal.waitFor('fault connected');
    terminal.type('call fault/crash\r');
    await terminal.waitFor(/! fault\/crash: circuit open, no calls until \d\d:\d\d:\d\d UTC/);
    terminal.type('/mcp breaker fault close\r');
    await terminal.waitFor('+ fault/crash: circuit closed, calls go through again');
    await terminal.waitFor(/fault\/crash: closed since/);
  });
});
