/** Keep-alive agents whose every new socket passes the address guard, happy eyeballs, a connect deadline and TLS as we insist. */
import { lookup as systemLookup } from 'node:dns';
import { type ClientRequest, type ClientRequestArgs, Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { isIP, type LookupFunction, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createSecureContext, rootCertificates } from 'node:tls';
import type { Clock } from '../core/clock.js';
import type { AddressGuard } from './address-guard.js';
import { ConnectTimeoutError } from './http-errors.js';

export interface HttpAgentsOptions {
  /** Bound of name lookup, TCP and TLS together. */
  readonly connectTimeoutMs: number;
  /** PEM, trusted beside the default roots. */
  readonly ca?: string | undefined;
  readonly addressGuard?: AddressGuard | undefined;
  readonly lookup?: LookupFunction | undefined;
  readonly clock: Clock;
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

export class HttpAgents {
  readonly #sockets = new Set<Socket>();
  readonly #ready = new WeakSet<Duplex>();
  readonly #http: HttpAgent;
  #https: HttpsAgent | undefined;

  constructor(private readonly options: HttpAgentsOptions) {
    this.#http = this.#watch(new HttpAgent(this.#agentOptions()), 'connect');
  }

  for(protocol: 'http:' | 'https:'): HttpAgent {
    if (protocol === 'http:') return this.#http;
    this.#https ??= this.#watch(new HttpsAgent({ ...this.#agentOptions(), ...this.#tlsOptions() }), 'secureConnect');
    return this.#https;
  }

  /** Whether the request's socket got so far that bytes of the request may have left: TCP open, and TLS verified where used. */
  wasConnected(request: ClientRequest | undefined): boolean {
    return request?.socket != null && this.#ready.has(request.socket);
  }

  /** Closes every socket, busy ones too, and waits until they are closed. */
  async destroy(): Promise<void> {
    this.#http.destroy();
    this.#https?.destroy();
    await Promise.all(
      [...this.#sockets].map((socket) => {
        const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
        socket.destroy();
        return closed;
      }),
    );
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
    const { ca } = this.options;
    return {
      // Spelled out, because NODE_TLS_REJECT_UNAUTHORIZED and --tls-min-v1.0 would change the defaults.
      rejectUnauthorized: true,
      minVersion: 'TLSv1.2' as const,
      // One context for all sockets: parsing the roots takes milliseconds.
      ...(ca === undefined
        ? {}
        : { secureContext: createSecureContext({ ca: [...rootCertificates, ca], minVersion: 'TLSv1.2' }) }),
    };
  }

  #watch<A extends HttpAgent>(agent: A, readyEvent: 'connect' | 'secureConnect'): A {
    const connect: Connect = agent.createConnection.bind(agent);
    const watched: Connect = (options, callback) => {
      const host = options.host ?? '';
      const family = isIP(host);
      // A literal address is never looked up, so the guard has to see it here.
      if (family !== 0) this.options.addressGuard?.(host, host, family as 4 | 6);
      const socket = connect(options, callback) as Socket;
      this.#track(socket, readyEvent);
      return socket;
    };
    agent.createConnection = watched;
    return agent;
  }

  #track(socket: Socket, readyEvent: 'connect' | 'secureConnect'): void {
    const { clock, connectTimeoutMs } = this.options;
    const cancel = clock.after(connectTimeoutMs, () => socket.destroy(new ConnectTimeoutError(connectTimeoutMs)));
    this.#sockets.add(socket);
    socket.once(readyEvent, () => {
      cancel();
      this.#ready.add(socket);
    });
    socket.once('close', () => {
      cancel();
      this.#sockets.delete(socket);
    });
  }
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
