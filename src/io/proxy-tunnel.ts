/** A way through a proxy to one host and port: CONNECT, after which the proxy sees nothing but encrypted bytes. */
import { type ClientRequest, request } from 'node:http';
import { isIP, type Socket } from 'node:net';
import { McpctlError } from '../core/errors.js';
import { networkError } from './http-errors.js';
import type { HttpProxy } from './proxy.js';

export interface TunnelOptions {
  readonly proxy: HttpProxy;
  /** The far end, without brackets. */
  readonly hostname: string;
  readonly port: number;
  readonly maxHeaderBytes: number;
  /** A socket that is on its way to the proxy. */
  readonly socket: Socket;
  /** `undefined` for the error: the socket is the far end's. The socket is destroyed with every error. */
  readonly callback: (error: McpctlError | undefined) => void;
}

/** Asks the proxy for the way and calls back once. Whoever destroys the socket meanwhile gets its error back, explained. */
export function openTunnel({ proxy, hostname, port, maxHeaderBytes, socket, callback }: TunnelOptions): void {
  const authority = `${isIP(hostname) === 6 ? `[${hostname}]` : hostname}:${port}`;
  const fail = (error: McpctlError): void => {
    socket.destroy();
    callback(error);
  };
  let asking: ClientRequest;
  try {
    asking = request({
      createConnection: () => socket,
      method: 'CONNECT',
      path: authority,
      headers: {
        host: authority,
        connection: 'keep-alive',
        'user-agent': 'mcpctl',
        ...(proxy.authorization === undefined ? {} : { 'proxy-authorization': proxy.authorization }),
      },
      maxHeaderSize: maxHeaderBytes,
    });
  } catch (error) {
    fail(proxyFailure(proxy, error));
    return;
  }
  asking.once('connect', (response, _socket, head) => {
    const { statusCode = 0 } = response;
    if (statusCode < 200 || statusCode > 299) return fail(proxyRefusal(proxy, authority, statusCode));
    if (head.length > 0) socket.unshift(head);
    callback(undefined);
  });
  asking.once('error', (error) => fail(proxyFailure(proxy, error)));
  asking.end();
}

/** The proxy answered, and said no. */
export function proxyRefusal(proxy: HttpProxy, target: string, status: number): McpctlError {
  const { host, variable, authorization } = proxy;
  const login = `http://user:password@${host}`;
  const [what, hint] =
    status === 407
      ? authorization === undefined
        ? ['wants a user name and a password', `give them in ${variable}, like ${login}`]
        : ['does not accept the user name and password it was sent', `correct them in ${variable}`]
      : [`refused the way to ${target}`, `ask those who run the proxy, or name the host in NO_PROXY if it is reached without`];
  return new McpctlError('UNAVAILABLE', `The proxy ${host} ${what} (HTTP ${status})`, {
    hint,
    details: { reason: 'proxy', code: 'PROXY_REFUSED', proxy: host, proxyStatus: status },
    delivered: 'no',
  });
}

/** The proxy itself cannot be reached, or broke off before there was a way through it. */
export function proxyFailure(proxy: HttpProxy, error: unknown): McpctlError {
  const { host, variable } = proxy;
  const about = networkError(error, {
    host: `the proxy ${host}`,
    delivered: 'no',
    connected: false,
    answered: false,
    reusedSocket: false,
  });
  return new McpctlError('UNAVAILABLE', about.message, {
    cause: error,
    hint:
      about.details?.reason === 'tls'
        ? `if you trust its issuer, name the issuer's PEM file in NODE_EXTRA_CA_CERTS`
        : `check the proxy in ${variable}, or name the host in NO_PROXY if it is reached without`,
    details: { reason: 'proxy', code: about.details?.code ?? about.code, proxy: host },
    delivered: 'no',
  });
}
