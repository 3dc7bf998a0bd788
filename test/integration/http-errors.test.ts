/** What goes wrong over HTTP, in words a person can use: the right code, the server's name, nothing hostile and nothing secret. */
import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { McpctlError } from '../../src/core/errors.js';
import { failure, rig, startFixture } from '../fixtures/http-rig.js';

const secret = 'Bearer s3cret-of-the-test-41c7';
const headers = { Authorization: secret, 'X-Api-Key': 'another-s3cret-77aa' };

/** What holds for every message, whoever caused it. */
function expectReadable(error: McpctlError) {
  const everything = `${error.message}\n${error.hint ?? ''}\n${JSON.stringify(error.details ?? {})}`;
  expect(error.server).toBe('it');
  expect(error.message).toContain('"it"');
  expect(everything).not.toContain('\u001b');
  expect(everything).not.toContain('s3cret');
  expect(Buffer.byteLength(everything)).toBeLessThan(2048);
  expect(error.message).not.toMatch(/SdkError|ZodError|\[object|undefined/);
}

const page = `<html>\u001b[2J\u001b]0;owned\u0007${'<p>Bad gateway</p>'.repeat(5000)}</html>`;

describe.each([
  { at: 'initialize', of: 'while connecting' },
  { at: 'tools/call', of: 'in a call' },
])('$of', ({ at }) => {
  it.each([
    { status: 401, code: 'AUTH_REQUIRED', delivered: 'no' },
    { status: 403, code: 'REQUEST_REFUSED', delivered: 'no' },
    { status: 429, code: 'UNAVAILABLE', delivered: 'no' },
    { status: 500, code: 'UNAVAILABLE', delivered: 'maybe' },
    { status: 502, code: 'UNAVAILABLE', delivered: 'maybe' },
    { status: 503, code: 'UNAVAILABLE', delivered: 'maybe' },
    { status: 413, code: 'PROTOCOL', delivered: 'maybe' },
  ])('HTTP $status with a 90 kB page of HTML and escape sequences is $code', async ({ status, code, delivered }) => {
    await using server = await startFixture('http-fault', {
      STATUS: String(status),
      BODY: page,
      TYPE: 'text/html',
      FAULT_AT: at,
    });
    await using it = await rig({ url: server.url, type: 'http', protocol: 'legacy', headers });
    const error = await failure(it.call('echo'));
    // A call whose connection could not be made was not delivered, whatever became of the handshake.
    const expected = at === 'initialize' ? { code, delivered: 'no' } : { code, delivered };
    const isLost = at === 'tools/call' && code === 'UNAVAILABLE' && delivered === 'maybe';
    expect(error).toMatchObject(isLost ? { code: 'OUTCOME_UNKNOWN', details: { cause: code, status } } : expected);
    expect(error.message).toContain(`HTTP ${status}`);
    expectReadable(error);
    if (status !== 429) expect((await server.requests()).filter((name) => name === at)).toHaveLength(1);
  });
});

it('HTTP 401 is needs-auth in the status, and nobody asks again by himself', async () => {
  await using server = await startFixture('http-fault', { STATUS: '401' });
  await using it = await rig({ url: server.url, headers }, { longLived: true });
  expect(await failure(it.connect())).toMatchObject({ code: 'AUTH_REQUIRED' });
  expect(it.status()).toMatchObject({ status: 'needs-auth', retryAt: null, lastError: { code: 'AUTH_REQUIRED' } });
  const { length } = await server.log();
  await new Promise((resolve) => setTimeout(resolve, 1300));
  expect((await server.log()).length).toBe(length);
});

it('HTTP 429 and 500 in a call do not end the session', async () => {
  await using server = await startFixture('http-fault');
  await using it = await rig({ url: server.url, type: 'http' }, { longLived: true });
  for (const status of [429, 500]) {
    expect(await failure(it.call('status', { code: status, text: 'later' }))).toMatchObject({ details: { status } });
    expect(await it.call('echo', { message: 'hi' })).toBe('hi');
  }
  expect((await server.requests()).filter((name) => name === 'initialize')).toHaveLength(1);
});

it('a refusal in JSON-RPC is REQUEST_REFUSED with its code', async () => {
  await using server = await startFixture('http-fault');
  await using it = await rig({ url: server.url, type: 'http', headers });
  const error = await failure(it.call('refuse'));
  expect(error).toMatchObject({ code: 'REQUEST_REFUSED', details: { rpcCode: -32602 } });
  expect(error.message).toContain('no ');
  expectReadable(error);
});

describe('no MCP server there', () => {
  it.each([
    { what: 'a web page', env: { STATUS: '200', BODY: '<html>hello</html>', TYPE: 'text/html' }, code: 'PROTOCOL' },
    { what: 'an empty answer', env: { STATUS: '200', BODY: '', TYPE: 'text/plain' }, code: 'PROTOCOL' },
    { what: 'broken JSON', env: { STATUS: '200', BODY: '{"jsonrpc":', TYPE: 'application/json' }, code: 'PROTOCOL' },
    { what: 'other JSON', env: { STATUS: '200', BODY: '{"status":"UP"}', TYPE: 'application/json' }, code: 'PROTOCOL' },
    { what: 'HTTP 202 for everything', env: { STATUS: '202', BODY: '' }, code: 'PROTOCOL' },
    { what: 'HTTP 404 for everything', env: { STATUS: '404', BODY: 'nope' }, code: 'UNAVAILABLE' },
    { what: 'HTTP 405 for everything', env: { STATUS: '405', BODY: '' }, code: 'PROTOCOL' },
    { what: 'HTTP 418 for everything', env: { STATUS: '418', BODY: 'teapot' }, code: 'PROTOCOL' },
  ])('$what is $code within 1 s', async ({ env, code }) => {
    await using server = await startFixture('http-fault', env);
    await using it = await rig({ url: server.url, headers });
    const startedAt = performance.now();
    const error = await failure(it.connect());
    expect(performance.now() - startedAt).toBeLessThan(1000);
    expect(error.code).toBe(code);
    expect(error.hint).toBeTruthy();
    expectReadable(error);
  });

  it('a version nobody knows is PROTOCOL, not a bug of ours', async () => {
    const body = {
      jsonrpc: '2.0',
      id: 0,
      result: { protocolVersion: '1999-01-01', capabilities: {}, serverInfo: { name: 'x', version: '1' } },
    };
    await using server = await startFixture('http-fault', {
      STATUS: '200',
      BODY: JSON.stringify(body),
      TYPE: 'application/json',
    });
    await using it = await rig({ url: server.url, type: 'http', protocol: 'legacy', headers });
    const error = await failure(it.connect());
    expect(error.code).toBe('PROTOCOL');
    expect(error.message).toContain('1999-01-01');
    expectReadable(error);
  });
});

describe('no server there', () => {
  const freePort = () =>
    new Promise<number>((resolve) => {
      const probe = createServer().listen(0, '127.0.0.1', () => {
        const { port } = probe.address() as { port: number };
        probe.close(() => resolve(port));
      });
    });

  it.each(['auto', 'http', 'sse'])(
    'a refused port is UNAVAILABLE, and known not to have been reached (type %s)',
    async (type) => {
      const port = await freePort();
      await using it = await rig({ url: `http://127.0.0.1:${port}/mcp`, type, headers });
      const error = await failure(it.call('echo'));
      expect(error).toMatchObject({ code: 'UNAVAILABLE', delivered: 'no', details: { reason: 'refused' } });
      expect(error.message).toContain(`127.0.0.1:${port}`);
      expectReadable(error);
    },
  );

  it.each(['auto', 'sse'])('a host name that does not exist is UNAVAILABLE with reason dns (type %s)', async (type) => {
    await using it = await rig({ url: 'http://no-such-host.invalid/mcp', type, headers });
    const error = await failure(it.call('echo'));
    expect(error).toMatchObject({ code: 'UNAVAILABLE', delivered: 'no', details: { reason: 'dns' } });
    expect(error.message).toContain('no-such-host.invalid');
    expectReadable(error);
  });

  it('a server that accepts and says nothing ends with TIMEOUT after 300 + 300 ms ± 250 ms', async () => {
    await using server = await startFixture('http-fault', { DEAF_TO: 'server/discover' });
    await using it = await rig({ url: server.url, timeouts: { connect: '300ms', initialize: '300ms' }, headers });
    const startedAt = performance.now();
    const error = await failure(it.connect());
    expect(error).toMatchObject({ code: 'TIMEOUT', server: 'it' });
    expect(Math.abs(performance.now() - startedAt - 600)).toBeLessThan(250);
  });

  it('a server that takes 3.2 s to wake up is waited for: silence over HTTP proves no era', async () => {
    await using server = await startFixture('http-sdk', { ERA: 'modern', WAKES_AFTER_MS: '3200' });
    await using it = await rig({ url: server.url });
    expect(await it.call('echo', { message: 'awake' })).toBe('awake');
    expect(it.status().protocol?.era).toBe('modern');
  });
});
