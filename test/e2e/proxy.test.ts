/** The program behind a proxy, as a company has it: https to the proxy, a password in its URL, authorities from NODE_EXTRA_CA_CERTS. */
import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Authority, createAuthority } from '../support/certificates.js';
import { type ConnectProxyOptions, startConnectProxy } from '../support/connect-proxy.js';
import { listen, readBody, sendJson } from '../support/http-server.js';
import { needs } from '../support/needs.js';
import { runCli } from '../support/run-cli.js';
import { tempHome } from '../support/temp-home.js';

const password = 'canary/p@ss';
const login = `ann:${encodeURIComponent(password)}`;
const basic = `Basic ${Buffer.from(`ann:${password}`).toString('base64')}`;
const secretForms = [password, encodeURIComponent(password), basic.slice(6), Buffer.from(password).toString('base64')];

const results: Readonly<Record<string, object>> = {
  initialize: { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'far', version: '1.0.0' } },
  'tools/list': { tools: [{ name: 'echo', inputSchema: { type: 'object' } }] },
  'tools/call': { content: [{ type: 'text', text: 'from afar' }] },
  ping: {},
};

describe('behind a proxy', needs('openssl'), () => {
  let own: Authority;
  let servers: Authority;
  beforeAll(() => {
    own = createAuthority('the authority of the company');
    servers = createAuthority('the authority of the server');
  });
  afterAll(() => {
    own[Symbol.dispose]();
    servers[Symbol.dispose]();
  });

  /** An MCP server called mcp.test that only the proxy can find, and a home that is configured for it. */
  async function setUp(options: ConnectProxyOptions = {}) {
    const web = createServer(servers.issue('DNS:mcp.test'), async (request, response) => {
      if (request.method !== 'POST') return void response.writeHead(request.method === 'DELETE' ? 200 : 405).end();
      const { id, method } = JSON.parse(await readBody(request)) as { id?: number; method: string };
      if (id === undefined) return void response.writeHead(202).end();
      const result = results[method];
      sendJson(response, { jsonrpc: '2.0', id, ...(result ? { result } : { error: { code: -32601, message: 'no' } }) });
    });
    const server = await listen(web, 'connection');
    const proxy = await startConnectProxy({
      routes: { 'mcp.test:443': server.port },
      authorization: basic,
      tls: own.issue('IP:127.0.0.1'),
      ...options,
    });
    const home = await tempHome();
    await home.writeConfig({ mcpServers: { far: { url: 'https://mcp.test/mcp', type: 'http', ca: servers.caFile } } });
    const env = { HTTPS_PROXY: `https://${login}@127.0.0.1:${proxy.port}`, NODE_EXTRA_CA_CERTS: own.caFile };
    return {
      server,
      proxy,
      home,
      run: (words: string[], more: Record<string, string> = {}) => runCli(words, { home, env: { ...env, ...more } }),
      async [Symbol.asyncDispose]() {
        await home[Symbol.asyncDispose]();
        await proxy[Symbol.asyncDispose]();
        await server[Symbol.asyncDispose]();
      },
    };
  }

  it('a call gets through, TLS within TLS, on 2 connections at most, and nothing that is printed or written down has the password', async () => {
    await using it = await setUp();
    const { code, stdout, stderr } = await it.run(['call', 'far/echo', '--verbose']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'from afar\n' });
    const asked = it.proxy.seen.map(({ method, target }) => `${method} ${target}`);
    expect(new Set(asked)).toEqual(new Set(['CONNECT mcp.test:443']));
    // The stream for what the server has to say is asked for beside the first requests.
    expect(asked.length).toBeLessThanOrEqual(2);
    const shown = [stdout, stderr, (await it.run(['config', 'explain', 'far'])).stdout, ...(await filesIn(it.home.path))].join();
    for (const form of secretForms) expect(shown).not.toContain(form);
  });

  it('a wrong password is exit 4 with the proxy and its variable named, and without the password in any form', async () => {
    await using it = await setUp({ authorization: 'Basic something-else' });
    for (const words of [
      ['call', 'far/echo'],
      ['call', 'far/echo', '--json', '--verbose'],
      ['status', '--json', '--check'],
    ]) {
      const { code, stdout, stderr } = await it.run(words);
      expect(code).toBe(4);
      const shown = stdout + stderr;
      expect(shown).toContain(`The proxy 127.0.0.1:${it.proxy.port} does not accept the user name and password`);
      expect(shown).toContain('HTTPS_PROXY');
      for (const form of secretForms) expect(shown).not.toContain(form);
    }
    for (const text of await filesIn(it.home.path)) for (const form of secretForms) expect(text).not.toContain(form);
  });

  it('an https proxy with an unknown issuer, a variable without an address, and NO_PROXY are told apart', async () => {
    await using it = await setUp();
    const unknown = await it.run(['ping', 'far'], { NODE_EXTRA_CA_CERTS: '' });
    expect(unknown).toMatchObject({
      code: 4,
      stderr: expect.stringMatching(/Cannot reach the proxy .* issuer[\s\S]*NODE_EXTRA_CA_CERTS/),
    });
    const wrong = await it.run(['ping', 'far'], { HTTPS_PROXY: `socks5://${login}@127.0.0.1:1` });
    expect(wrong).toMatchObject({ code: 9, stderr: expect.stringMatching(/HTTPS_PROXY names a socks5/) });
    for (const form of secretForms) expect(wrong.stderr).not.toContain(form);
    const direct = await it.run(['ping', 'far'], { NO_PROXY: 'mcp.test' });
    expect(direct).toMatchObject({ code: 4, stderr: expect.stringMatching(/Cannot reach mcp\.test:443: the host name/) });
    expect(it.proxy.seen).toEqual([]);
  });
});

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return Promise.all(
    entries.filter((entry) => entry.isFile()).map((entry) => readFile(join(entry.parentPath, entry.name), 'latin1')),
  );
}
