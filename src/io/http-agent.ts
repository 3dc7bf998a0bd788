/** Keep-alive agents, direct and through a proxy, whose every new socket has the address guard, a connect deadline and TLS as we insist. */
import { lookup as systemLookup } from 'node:dns';
import { type ClientRequest, type ClientRequestArgs, Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { isIP, type LookupFunction, connect as netConnect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createSecureContext, rootCertificates, connect as tlsConnect } from 'node:tls';
import type { Cancel, Clock } from '../core/clock.js';
import type { AddressGuard } from './address-guard.js';
import { ConnectTimeoutError } from './http-errors.js';
import type { Target } from './http-request.js';
import type { HttpProxy, ProxyChoice } from './proxy.js';
import { openTunnel } from './proxy-tunnel.js';
import type { Traffic } from './traffic.js';

export interface HttpAgentsOptions {
  /** Bound of name lookup, TCP, a proxy's tunnel and TLS together. */
  readonly connectTimeoutMs: number;
  /** PEM, trusted beside the default roots. */
  readonly ca?: string | undefined;
  readonly addressGuard?: AddressGuard | undefined;
  readonly lookup?: LookupFunction | undefined;
  /** Which proxy a target is reached through; none of them by default. */
  readonly proxies?: ProxyChoice | undefined;
  readonly maxHeaderBytes: number;
  readonly traffic?: Traffic | undefined;
  readonly clock: Clock;
}

/** How a target is reached. */
export interface Route {
  readonly agent: HttpAgent;
  readonly proxy: HttpProxy | undefined;
  /** The request goes to the proxy, which is told its whole URL. Otherwise a proxy only passes bytes on. */
  readonly isForwarded: boolean;
}

/**
 * Most time a kept socket waits for its next request: shorter than the 5 s after which common
 * servers close theirs. Where a server announces less (`Keep-Alive: timeout=`), Node's agent leaves 1 s before that.
 */
const freeSocketTimeoutMs = 4_000;
/** Node's 250 ms gives up on distant IPv6 hosts that are alive. */
const attemptTimeoutMs = 1_500;
/** TCP probes on connections that carry an event stream or wait for an answer: a vanished peer is noticed. */
const tcpKeepAliveMs = 30_000;

type Connect = (
  options: ClientRequestArgs,
  callback?: (error: Error | null, stream: Duplex) => void,
) => Duplex | null | undefined;

/** Spelled out, because NODE_TLS_REJECT_UNAUTHORIZED and --tls-min-v1.0 would change the defaults. */
const strictTls = { rejectUnauthorized: true, minVersion: 'TLSv1.2' } as const;

export class HttpAgents {
  readonly #sockets = new Set<Socket>();
  readonly #ready = new WeakSet<Duplex>();
  readonly #http: Route;
  #https: Route | undefined;
  // The environment names one proxy for https targets and one for http targets.
  #tunnelled: Route | undefined;
  #forwarded: Route | undefined;

  constructor(private readonly options: HttpAgentsOptions) {
    const agent = this.#watch(new HttpAgent(this.#agentOptions()), 'connect', options.addressGuard);
    this.#http = { agent, proxy: undefined, isForwarded: false };
  }

  /**
   * An https target behind a proxy is reached through a tunnel, in which TLS is the target's own. For plain http the proxy
   * gets the request itself: common proxies open tunnels to port 443 only, and there is nothing that a tunnel would hide.
   *
   * @throws McpctlError of the address guard, or `CONFIG_INVALID` for an unusable proxy variable
   */
  route(target: Target): Route {
    const proxy = this.options.proxies?.(target);
    if (proxy === undefined) return target.protocol === 'http:' ? this.#http : this.#direct();
    // Where a name leads is the proxy's knowledge; an address is judged as ever. The proxy itself is the user's own word.
    judgeLiteral(target.hostname, this.options.addressGuard);
    return target.protocol === 'http:' ? this.#forwardedBy(proxy) : this.#tunnelledBy(proxy);
  }

  /** Whether the request's socket got so far that bytes of the request may have left: TCP open, and TLS verified where used. */
  wasConnected(request: ClientRequest | undefined): boolean {
    return request?.socket != null && this.#ready.has(request.socket);
  }

  /** Closes the sockets that are kept for later: one of their kind turned out to be dead. */
  closeIdle(): void {
    for (const { agent } of this.#routes()) {
      for (const sockets of Object.values(agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
    }
  }

  /** Closes every socket, busy ones too, and waits until they are closed. */
  async destroy(): Promise<void> {
    for (const { agent } of this.#routes()) agent.destroy();
    await Promise.all(
      [...this.#sockets].map((socket) => {
        const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
        socket.destroy();
        return closed;
      }),
    );
  }

  #routes(): Route[] {
    return [this.#http, this.#https, this.#tunnelled, this.#forwarded].filter((route) => route !== undefined);
  }

  #direct(): Route {
    if (this.#https === undefined) {
      const agent = new HttpsAgent({ ...this.#agentOptions(), ...this.#tlsOptions() });
      this.#https = {
        agent: this.#watch(agent, 'secureConnect', this.options.addressGuard),
        proxy: undefined,
        isForwarded: false,
      };
    }
    return this.#https;
  }

  #forwardedBy(proxy: HttpProxy): Route {
    if (this.#forwarded === undefined) {
      const options = { ...this.#agentOptions(), lookup: this.options.lookup ?? (systemLookup as LookupFunction) };
      const agent =
        proxy.protocol === 'http:'
          ? this.#watch(new HttpAgent(options), 'connect')
          : this.#watch(new HttpsAgent({ ...options, ...strictTls }), 'secureConnect');
      this.#forwarded = { agent, proxy, isForwarded: true };
    }
    return this.#forwarded;
  }

  #tunnelledBy(proxy: HttpProxy): Route {
    if (this.#tunnelled === undefined) {
      const agent = new HttpsAgent({ ...this.#agentOptions(), ...this.#tlsOptions() });
      // The agent's own way to secure a socket, with its store of TLS sessions.
      const secure: Connect = agent.createConnection.bind(agent);
      const tunnelled: Connect = (options, callback = () => {}) => {
        const { clock, connectTimeoutMs, maxHeaderBytes } = this.options;
        const { host: hostname, port } = options;
        const dueAt = clock.now() + connectTimeoutMs;
        const socket = this.#dial(proxy);
        const tunnelStands = this.#own(socket, connectTimeoutMs);
        openTunnel({
          proxy,
          hostname: hostname ?? '',
          port: Number(port),
          maxHeaderBytes,
          socket,
          callback: (error) => {
            tunnelStands();
            if (error) return callback(error, socket);
            const secured = secure({ ...options, socket } as ClientRequestArgs) as Socket;
            this.#track(secured, 'secureConnect', Math.max(0, dueAt - clock.now()));
            callback(null, secured);
          },
        });
        return undefined;
      };
      agent.createConnection = tunnelled;
      this.#tunnelled = { agent, proxy, isForwarded: false };
    }
    return this.#tunnelled;
  }

  /** A socket to the proxy, for a tunnel. An https proxy has to be trusted without the `ca` of a server behind it. */
  #dial(proxy: HttpProxy): Socket {
    const { hostname: host, port, protocol } = proxy;
    const lookup = this.options.lookup ?? (systemLookup as LookupFunction);
    const options = {
      ...{ host, port, lookup, keepAlive: true, keepAliveInitialDelay: tcpKeepAliveMs },
      ...{ autoSelectFamily: true, autoSelectFamilyAttemptTimeout: attemptTimeoutMs },
    };
    const isPlain = protocol === 'http:';
    const socket = isPlain
      ? netConnect(options)
      : tlsConnect({ ...options, ...strictTls, servername: isIP(host) === 0 ? host : '' });
    // Errors before the tunnel stands are those of asking for it, later ones those of the socket inside.
    socket.on('error', () => {});
    return socket;
  }

  #agentOptions() {
    const { addressGuard, lookup } = this.options;
    return {
      keepAlive: true,
      keepAliveMsecs: tcpKeepAliveMs,
      timeout: freeSocketTimeoutMs,
      autoSelectFamily: true,
      autoSelectFamilyAttemptTimeout: attemptTimeoutMs,
      ...(addressGuard || lookup ? { lookup: guardedLookup(lookup ?? (systemLookup as LookupFunction), addressGuard) } : {}),
    };
  }

  #tlsOptions() {
    return tlsOptionsFor(this.options.ca);
  }

  #watch<A extends HttpAgent>(agent: A, readyEvent: 'connect' | 'secureConnect', guard?: AddressGuard): A {
    const connect: Connect = agent.createConnection.bind(agent);
    const watched: Connect = (options, callback) => {
      // A literal address is never looked up, so the guard has to see it here.
      judgeLiteral(options.host ?? '', guard);
      const socket = connect(options, callback) as Socket;
      this.#track(socket, readyEvent);
      return socket;
    };
    agent.createConnection = watched;
    return agent;
  }

  #track(socket: Socket, readyEvent: 'connect' | 'secureConnect', limitMs = this.options.connectTimeoutMs): void {
    const inTime = this.#own(socket, limitMs);
    this.options.traffic?.add(socket);
    socket.once(readyEvent, () => {
      inTime();
      this.#ready.add(socket);
    });
  }

  /** Counts the socket among ours until it closes, and destroys it after `limitMs` unless it is told to be in time. */
  #own(socket: Socket, limitMs: number): Cancel {
    const { clock, connectTimeoutMs } = this.options;
    const inTime = clock.after(limitMs, () => socket.destroy(new ConnectTimeoutError(connectTimeoutMs)));
    this.#sockets.add(socket);
    socket.once('close', () => {
      inTime();
      this.#sockets.delete(socket);
    });
    return inTime;
  }
}

/** What every server is held to. `ca`: PEM, trusted beside the default roots. */
export function tlsOptionsFor(ca: string | undefined) {
  return {
    ...strictTls,
    // One context for all sockets: parsing the roots takes milliseconds.
    ...(ca === undefined ? {} : { secureContext: createSecureContext({ ca: [...rootCertificates, ca], minVersion: 'TLSv1.2' }) }),
  };
}

function judgeLiteral(host: string, guard: AddressGuard | undefined): void {
  const family = isIP(host);
  if (family !== 0) guard?.(host, host, family as 4 | 6);
}

/** The lookup that lets through only what the guard allows; a name with no allowed address fails with the guard's reason. */
function guardedLookup(lookup: LookupFunction, guard: AddressGuard | undefined): LookupFunction {
  if (guard === undefined) return lookup;
  return (hostname, options, callback) =>
    lookup(hostname, options, (error, answer, family) => {
      if (error) return callback(error, answer, family);
      const addresses = typeof answer === 'string' ? [{ address: answer, family: family ?? isIP(answer) }] : answer;
      let refusal: unknown;
      const allowed = addresses.filter((candidate) => {
        try {
          guard(hostname, candidate.address, candidate.family === 6 ? 6 : 4);
          return true;
        } catch (reason) {
          refusal ??= reason;
          return false;
        }
      });
      if (allowed.length === 0 && refusal !== undefined) return callback(refusal as NodeJS.ErrnoException, '', 0);
      if (options.all) return callback(null, allowed);
      callback(null, allowed[0]?.address ?? '', allowed[0]?.family);
    });
}
