/** One stage of a connection at a time, for who wants to know which of them fails. Nothing is sent to the far end but a TLS greeting. */
import { lookup as systemLookup } from 'node:dns';
import { isIP, connect as netConnect, type Socket } from 'node:net';
import { type TLSSocket, connect as tlsConnect } from 'node:tls';
import type { McpctlError } from '../core/errors.js';
import type { AddressGuard } from './address-guard.js';
import { tlsOptionsFor } from './http-agent.js';
import { networkError } from './http-errors.js';
import { parseTarget, type Target } from './http-request.js';
import { type HttpProxy, type ProxyEnvironment, proxiesOf } from './proxy.js';
import { openTunnel } from './proxy-tunnel.js';

export interface Certificate {
  /** The names it is for, as OpenSSL writes them. */
  readonly names: string;
  readonly issuer: string;
  readonly validFrom: Date;
  readonly validTo: Date;
  /** `TLSv1.3`. */
  readonly protocol: string;
  /** Why no connection to this server would come about; undefined = it is trusted. */
  readonly problem: McpctlError | undefined;
}

const maxHeaderBytes = 16 * 1024;

/** The target of a URL, and the proxy on the way to it. @throws McpctlError `CONFIG_INVALID` for an unusable proxy variable, `UNAVAILABLE` for an unusable URL */
export function wayTo(url: string, env: ProxyEnvironment): { readonly target: Target; readonly proxy: HttpProxy | undefined } {
  const target = parseTarget(url);
  return { target, proxy: proxiesOf(env)?.(target) };
}

/** The addresses of a host that may be connected to. @throws McpctlError `UNAVAILABLE`, of the resolver or of the guard; `signal.reason` */
export function resolveHost(hostname: string, guard: AddressGuard, signal: AbortSignal): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    const judge = (found: readonly { address: string; family: number }[]) => {
      let refusal: unknown;
      const allowed = found.filter(({ address, family }) => {
        try {
          guard(hostname, address, family === 6 ? 6 : 4);
          return true;
        } catch (reason) {
          refusal ??= reason;
          return false;
        }
      });
      if (allowed.length === 0) reject(refusal);
      else resolve(allowed.map(({ address }) => address));
    };
    const family = isIP(hostname);
    if (family !== 0) return judge([{ address: hostname, family }]);
    systemLookup(hostname, { all: true }, (error, found) => {
      signal.removeEventListener('abort', onAbort);
      if (error) reject(failure(error, hostname));
      else judge(found);
    });
  });
}

/** TCP to the first of the addresses that answers; whoever gets the socket destroys it. @throws McpctlError `UNAVAILABLE`; `signal.reason` */
export async function dial(addresses: readonly string[], host: string, port: number, signal: AbortSignal): Promise<Socket> {
  let last: unknown;
  for (const address of addresses.slice(0, 4)) {
    try {
      return await settled(netConnect({ host: address, port }), 'connect', signal);
    } catch (error) {
      signal.throwIfAborted();
      last = failure(error, host);
    }
  }
  throw last;
}

/** The way through a proxy to an https target, over a socket to the proxy. @returns a socket to the target @throws McpctlError `UNAVAILABLE`, reason `proxy`; `signal.reason` */
export async function tunnel(
  dialled: Socket,
  proxy: HttpProxy,
  { hostname, port }: Target,
  signal: AbortSignal,
): Promise<Socket> {
  const isPlain = proxy.protocol === 'http:';
  const name = isIP(proxy.hostname) === 0 ? proxy.hostname : '';
  const socket = isPlain
    ? dialled
    : await settled(
        tlsConnect({ socket: dialled, host: proxy.hostname, servername: name, ...tlsOptionsFor(undefined) }),
        'secureConnect',
        signal,
      ).catch((error: unknown) => {
        signal.throwIfAborted();
        throw failure(error, `the proxy ${proxy.host}`);
      });
  return new Promise((resolve, reject) => {
    const onAbort = () => socket.destroy(signal.reason);
    if (signal.aborted) return reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    openTunnel({
      proxy,
      hostname,
      port,
      maxHeaderBytes,
      socket,
      callback: (error) => {
        signal.removeEventListener('abort', onAbort);
        if (error) reject(signal.aborted ? signal.reason : error);
        else resolve(socket);
      },
    });
  });
}

/** The certificate at the other end of a socket, whatever is wrong with it. @throws McpctlError when there is no TLS; `signal.reason` */
export async function readCertificate(
  socket: Socket,
  { hostname, host }: Target,
  ca: string | undefined,
  signal: AbortSignal,
): Promise<Certificate> {
  let secured: TLSSocket;
  try {
    const servername = isIP(hostname) === 0 ? hostname : '';
    // A certificate that is refused cannot be looked at, and nothing is sent over this connection.
    const options = { ...tlsOptionsFor(ca), rejectUnauthorized: false };
    secured = await settled(tlsConnect({ socket, host: hostname, servername, ...options }), 'secureConnect', signal);
  } catch (error) {
    signal.throwIfAborted();
    throw failure(error, host);
  }
  const { subject, issuer, subjectaltname, valid_from: from, valid_to: to } = secured.getPeerCertificate();
  const code: unknown = secured.authorizationError;
  const certificate: Certificate = {
    names: subjectaltname ?? String(subject?.CN ?? ''),
    issuer: String(issuer?.O ?? issuer?.CN ?? ''),
    validFrom: new Date(from),
    validTo: new Date(to),
    protocol: secured.getProtocol() ?? '',
    problem: secured.authorized ? undefined : failure(Object.assign(new Error(String(code)), { code: codeOf(code) }), host),
  };
  secured.destroy();
  return certificate;
}

function codeOf(given: unknown): string {
  return given instanceof Error && 'code' in given ? String(given.code) : String(given);
}

function failure(error: unknown, host: string): McpctlError {
  return networkError(error, { host, delivered: 'no', connected: false, answered: false, reusedSocket: false });
}

/** The socket once it is ready; destroyed when it is not, or when the signal is aborted first. */
function settled<S extends Socket>(socket: S, ready: 'connect' | 'secureConnect', signal: AbortSignal): Promise<S> {
  return new Promise((resolve, reject) => {
    const end = () => {
      signal.removeEventListener('abort', onAbort);
      socket.off(ready, onReady).off('error', onError);
      socket.on('error', () => {});
    };
    const onReady = () => {
      end();
      resolve(socket);
    };
    const onError = (error: unknown) => {
      end();
      socket.destroy();
      reject(error);
    };
    const onAbort = () => onError(signal.reason);
    socket.once(ready, onReady).once('error', onError);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
}
