/** What fetch's arguments say, in the form that `node:http` sends: target, header lines, body bytes. */
import { McpctlError } from '../core/errors.js';
import { acceptEncoding } from './http-decode.js';

/** Where a URL leads; computed once per URL. */
export interface Target {
  readonly href: string;
  readonly origin: string;
  readonly protocol: 'http:' | 'https:';
  /** Without the brackets of an IPv6 address. */
  readonly hostname: string;
  readonly port: number;
  readonly path: string;
  /** `host` or `host:port`, as the Host header has it. */
  readonly hostHeader: string;
  /** `host:port`, for people. */
  readonly host: string;
}

export interface OutgoingBody {
  readonly data: string | Uint8Array;
  readonly bytes: number;
  /** What fetch sets when the caller named none. */
  readonly contentType: string | undefined;
}

/** Decided by the connection, not by a caller (RFC 9110, section 7.6.1). */
const connectionHeaders = new Set([
  'connection',
  'content-length',
  'expect',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** @throws McpctlError `UNAVAILABLE` for anything but a plain http or https URL. */
export function parseTarget(input: string | URL): Target {
  let url: URL;
  try {
    url = typeof input === 'string' ? new URL(input) : input;
  } catch (cause) {
    throw unusable('The URL of the request is not valid', 'write it like https://example.com/mcp', 'invalid-url', cause);
  }
  const { protocol } = url;
  if (protocol !== 'http:' && protocol !== 'https:') {
    throw unusable(`Cannot send HTTP to a ${protocol} URL`, 'only http: and https: URLs work', 'scheme');
  }
  if (url.username !== '' || url.password !== '') {
    throw unusable(
      `The URL of ${url.host} holds a user name or password`,
      'remove them from the URL and give them as an Authorization header of this server',
      'userinfo',
    );
  }
  const port = url.port === '' ? (protocol === 'https:' ? 443 : 80) : Number(url.port);
  const hash = url.href.indexOf('#');
  return {
    href: hash === -1 ? url.href : url.href.slice(0, hash),
    origin: url.origin,
    protocol,
    hostname: url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname,
    port,
    path: url.pathname + url.search,
    hostHeader: url.host,
    host: `${url.hostname}:${port}`,
  };
}

/** The header lines as a flat list of names and values: `node:http` writes it as it is and refuses CR, LF and NUL in it. */
export function headerLines(init: RequestInit['headers'], target: Target, body: OutgoingBody | undefined): string[] {
  const lines: string[] = [];
  let seen = '\n';
  const add = (name: string, value: string) => {
    const key = name.toLowerCase();
    if (connectionHeaders.has(key)) return;
    seen += `${key}\n`;
    lines.push(name, value);
  };
  if (init instanceof Headers) init.forEach((value, name) => void add(name, value));
  else if (init !== undefined && init !== null) {
    const entries =
      Symbol.iterator in init ? (init as Iterable<[string, string]>) : Object.entries(init as Record<string, string>);
    for (const [name, value] of entries) if (value !== undefined) add(name, String(value));
  }
  const addDefault = (name: string, value: string) => {
    if (!seen.includes(`\n${name}\n`)) lines.push(name, value);
  };
  addDefault('host', target.hostHeader);
  addDefault('accept', '*/*');
  addDefault('accept-encoding', acceptEncoding);
  addDefault('user-agent', 'mcpctl'); // some gateways refuse requests that have none
  if (body !== undefined) {
    if (body.contentType !== undefined) addDefault('content-type', body.contentType);
    lines.push('content-length', String(body.bytes));
  }
  return lines;
}

/** @throws TypeError for a streaming body, a form or a blob: nothing of MCP or OAuth sends one. */
export function outgoingBody(body: RequestInit['body'], method: string): OutgoingBody | undefined {
  if (body === undefined || body === null) {
    // A server may wait for a length where a method usually has a body.
    return method === 'POST' || method === 'PUT' || method === 'PATCH'
      ? { data: '', bytes: 0, contentType: undefined }
      : undefined;
  }
  if (method === 'GET' || method === 'HEAD') throw new TypeError('Request with GET/HEAD method cannot have body');
  if (typeof body === 'string') return { data: body, bytes: Buffer.byteLength(body), contentType: 'text/plain;charset=UTF-8' };
  if (body instanceof URLSearchParams) {
    const data = body.toString();
    return { data, bytes: data.length, contentType: 'application/x-www-form-urlencoded;charset=UTF-8' };
  }
  if (body instanceof ArrayBuffer) return { data: new Uint8Array(body), bytes: body.byteLength, contentType: undefined };
  if (ArrayBuffer.isView(body)) {
    const data = new Uint8Array(body.buffer, body.byteOffset, body.byteLength);
    return { data, bytes: data.byteLength, contentType: undefined };
  }
  throw new TypeError('this fetch sends strings, URLSearchParams and bytes only');
}

function unusable(message: string, hint: string, reason: string, cause?: unknown): McpctlError {
  return new McpctlError('UNAVAILABLE', message, { cause, hint, details: { reason }, delivered: 'no' });
}
