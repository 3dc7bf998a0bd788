/** Which servers we trust over TLS: every doubt is refused with a code of its own, before a byte of the request is sent. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.js';
import { McpctlError } from '../../src/core/errors.js';
import { createHttpFetch } from '../../src/io/http-fetch.js';
import { listen, sendJson, startHttpServer, type TestServer } from '../support/http-server.js';
import { needs } from '../support/needs.js';

describe('TLS', needs('openssl'), () => {
  let folder: string;
  let ca: string;
  const open: AsyncDisposable[] = [];
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  const file = (name: string) => readFileSync(join(folder, name), 'utf8');

  /** A key and certificate for `names`, signed by our authority unless it signs itself. */
  const certificate = (name: string, names: string, validity: string[], isSelfSigned = false) => {
    openssl(
      'req',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.csr`,
      '-subj',
      '/CN=mcpctl test',
    );
    writeFileSync(join(folder, `${name}.ext`), `subjectAltName=${names}\nbasicConstraints=CA:FALSE\n`);
    const signer = isSelfSigned ? ['-selfsign', '-keyfile', `${name}.key`] : ['-cert', 'ca.pem', '-keyfile', 'ca.key'];
    openssl(
      'ca',
      '-batch',
      '-config',
      'ca.cnf',
      ...signer,
      '-in',
      `${name}.csr`,
      '-out',
      `${name}.pem`,
      '-extfile',
      `${name}.ext`,
      '-notext',
      ...validity,
    );
    return { key: file(`${name}.key`), cert: file(`${name}.pem`) };
  };
  const oneDay = ['-days', '1'];

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'mcpctl-tls-'));
    writeFileSync(
      join(folder, 'ca.cnf'),
      '[ca]\ndefault_ca=own\n[own]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\npolicy=any\nunique_subject=no\n[any]\ncommonName=supplied\n',
    );
    writeFileSync(join(folder, 'index.txt'), '');
    writeFileSync(join(folder, 'serial'), '1000\n');
    openssl(
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      'ca.key',
      '-out',
      'ca.pem',
      '-subj',
      '/CN=mcpctl test CA',
      '-days',
      '1',
    );
    ca = file('ca.pem');
  });
  afterEach(async () => {
    for (const thing of open.splice(0).reverse()) await thing[Symbol.asyncDispose]();
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const fetchFrom = (port: number, options: { ca?: string; body?: string; host?: string } = {}) => {
    const ours = createHttpFetch({ maxBodyBytes: 1_000_000, connectTimeoutMs: 5_000, clock: systemClock, ca: options.ca });
    open.push(ours);
    return ours.fetch(`https://${options.host ?? '127.0.0.1'}:${port}/`, { method: 'POST', body: options.body ?? 'canary' });
  };
  /** A TLS server that counts the decrypted bytes that reach it. */
  const startTls = async (options: Parameters<typeof createTlsServer>[0]) => {
    let bytes = 0;
    const tls = createTlsServer(options, (socket: TLSSocket) => {
      socket.on('error', () => {});
      socket.on('data', (chunk) => {
        bytes += chunk.length;
      });
    });
    tls.on('tlsClientError', () => {});
    const server = await listen(tls, 'connection');
    open.push(server);
    return { port: server.port, bytes: () => bytes };
  };
  const refusal = async (promise: Promise<unknown>) => {
    const error = await promise.then(
      () => expect.unreachable('it should have been refused'),
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(McpctlError);
    expect(error).toMatchObject({ code: 'UNAVAILABLE', delivered: 'no', details: { reason: 'tls' } });
    expect((error as McpctlError).hint).toBeTruthy();
    return error as McpctlError;
  };

  it('talks to a server whose issuer is given as ca, and reuses the connection', async () => {
    const tls = createServer(certificate('good', 'IP:127.0.0.1,DNS:localhost', oneDay), (request, response) => {
      request.resume();
      sendJson(response, { ok: true });
    });
    const server = await listen(tls, 'connection');
    open.push(server);
    const ours = createHttpFetch({ maxBodyBytes: 1_000, connectTimeoutMs: 5_000, clock: systemClock, ca });
    open.push(ours);
    for (let i = 0; i < 3; i++)
      expect(await (await ours.fetch(`https://127.0.0.1:${server.port}/`)).json()).toEqual({ ok: true });
    expect(server.connections).toBe(1);
    expect(await (await ours.fetch(`https://localhost:${server.port}/`)).json()).toEqual({ ok: true });
  });

  it('refuses five doubtful servers with five different codes, and no byte of the request reaches them', async () => {
    const expired = await startTls(
      certificate('expired', 'IP:127.0.0.1', ['-startdate', '200101000000Z', '-enddate', '200102000000Z']),
    );
    const wrongHost = await startTls(certificate('wronghost', 'DNS:other.example', oneDay));
    const selfSigned = await startTls(certificate('selfsigned', 'IP:127.0.0.1', oneDay, true));
    const oldTls = await startTls({
      ...certificate('old', 'IP:127.0.0.1', oneDay),
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'ALL:@SECLEVEL=0',
    });
    let plainBytes = '';
    const plain: TestServer = await startHttpServer(
      () => {},
      (server) =>
        server.on('connection', (socket) =>
          socket.on('data', (chunk: Buffer) => {
            plainBytes += chunk.toString('latin1');
          }),
        ),
    );
    open.push(plain);

    const codes: unknown[] = [];
    for (const port of [expired.port, wrongHost.port, selfSigned.port, oldTls.port, plain.port]) {
      codes.push((await refusal(fetchFrom(port, { ca }))).details?.code);
    }
    expect(codes.slice(0, 3)).toEqual(['CERT_HAS_EXPIRED', 'ERR_TLS_CERT_ALTNAME_INVALID', 'DEPTH_ZERO_SELF_SIGNED_CERT']);
    expect(codes[3]).toMatch(/PROTOCOL/);
    expect(codes[4]).toMatch(/^ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST)$/);
    expect(new Set(codes).size).toBe(5);
    expect([expired, wrongHost, selfSigned, oldTls].map(({ bytes }) => bytes())).toEqual([0, 0, 0, 0]);
    expect(plainBytes).not.toContain('canary');
  });

  it('refuses an issuer that is not trusted, also with NODE_TLS_REJECT_UNAUTHORIZED=0', async () => {
    const server = await startTls(certificate('untrusted', 'IP:127.0.0.1', oneDay));
    const before = process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
    try {
      expect((await refusal(fetchFrom(server.port))).details?.code).toBe('UNABLE_TO_VERIFY_LEAF_SIGNATURE');
    } finally {
      if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
      else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before;
    }
    expect(server.bytes()).toBe(0);
  });

  it('bounds the TLS handshake by the connect timeout: a server that accepts and says nothing is a TIMEOUT after 200 ms', async () => {
    const silent = await listen(
      (await import('node:net')).createServer(() => {}),
      'connection',
    );
    open.push(silent);
    const ours = createHttpFetch({ maxBodyBytes: 1_000, connectTimeoutMs: 200, clock: systemClock });
    open.push(ours);
    const startMs = performance.now();
    await expect(ours.fetch(`https://127.0.0.1:${silent.port}/`)).rejects.toMatchObject({ code: 'TIMEOUT', delivered: 'no' });
    expect(performance.now() - startMs).toBeLessThan(1_000);
  });
});
