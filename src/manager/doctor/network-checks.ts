/** The way to a server over HTTP, one stage after the other: the next hop, the proxy, the certificate, the first answer. */
import { hasAuthorization } from '../../config/schema.js';
import { formatDuration } from '../../core/duration.js';
import { McpctlError } from '../../core/errors.js';
import { createHttpFetch } from '../../io/http-fetch.js';
import { dial, readCertificate, resolveHost, tunnel, wayTo } from '../../io/reach.js';
import { type Finding, found, foundError } from './chain.js';
import type { DoctorCode } from './codes.js';
import type { Subject } from './subject.js';

const dayMs = 24 * 60 * 60 * 1000;
const soonMs = 14 * dayMs;
const maxBodyBytes = 256 * 1024;

/** How long the first answer may take; a session may take longer. In milliseconds. */
export const answerMs = 10_000;

/** The host that we would connect to ourselves: that of the proxy, where there is one. */
function firstHop({ way }: Subject) {
  const { target, proxy } = way!;
  const { hostname, port } = proxy ?? target;
  return { hostname, port, host: proxy ? `the proxy ${proxy.host}` : target.host };
}

export async function checkDns(subject: Subject, signal: AbortSignal): Promise<Finding> {
  try {
    subject.way = wayTo(subject.http.url, subject.parts.env);
  } catch (error) {
    if (!(error instanceof McpctlError)) throw error;
    if (error.details?.reason !== 'proxy') return foundError('CONFIG_INVALID', error);
    subject.wayProblem = error;
    return found('NOT_NEEDED', 'nobody knows through which proxy: see proxy');
  }
  const { hostname, host } = firstHop(subject);
  try {
    // The proxy is the user's own word, wherever it is.
    subject.addresses = await resolveHost(hostname, subject.way.proxy ? () => {} : subject.guard(), signal);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof McpctlError)) throw error;
    if (error.details?.reason === 'blocked') return foundError('ADDRESS_BLOCKED', error);
    const isKnown =
      error.details?.code === 'ENOTFOUND' || error.details?.code === 'EAI_NONAME' || error.details?.code === 'EAI_NODATA';
    return ofHop(subject, foundError(isKnown ? 'DNS_NOT_FOUND' : 'DNS_UNAVAILABLE', error));
  }
  const [first] = subject.addresses;
  if (first === hostname) return found('NOT_NEEDED', `${host} is an address already`);
  const more = subject.addresses.length > 1 ? ` and ${subject.addresses.length - 1} more` : '';
  return found('OK', `${subject.way.proxy ? host : hostname} is ${first}${more}`);
}

export async function checkTcp(subject: Subject, signal: AbortSignal): Promise<Finding> {
  if (subject.wayProblem) return found('NOT_NEEDED', 'see proxy');
  const { host, port } = firstHop(subject);
  try {
    subject.socket = await dial(subject.addresses, host, port, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof McpctlError)) throw error;
    const reason = error.code === 'TIMEOUT' ? 'timeout' : error.details?.reason;
    return ofHop(
      subject,
      foundError(reason === 'refused' ? 'TCP_REFUSED' : reason === 'timeout' ? 'TCP_TIMEOUT' : 'TCP_UNREACHABLE', error),
    );
  }
  return found('OK', `${host} takes connections`);
}

/** What is wrong with a proxy is not to be looked for in the URL of the server. */
function ofHop({ way }: Subject, finding: Finding): Finding {
  const variable = way?.proxy?.variable;
  if (variable === undefined) return finding;
  return { ...finding, fix: `check the proxy in ${variable}, or name the host in NO_PROXY if it is reached without` };
}

export async function checkProxy(subject: Subject, signal: AbortSignal): Promise<Finding> {
  const { way, wayProblem, socket } = subject;
  if (wayProblem) return foundError('PROXY_INVALID', wayProblem);
  const { proxy, target } = way!;
  if (!proxy) return found('NOT_NEEDED', 'reached directly');
  const chosen = `${proxy.host}, by ${proxy.variable}`;
  // A plain http request is the proxy's own to carry: what it says to that is seen in the next step.
  if (target.protocol === 'http:') return found('OK', `through ${chosen}`);
  try {
    subject.socket = await tunnel(socket!, proxy, target, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof McpctlError)) throw error;
    return foundError('PROXY_REFUSED', error);
  }
  return found('OK', `a tunnel through ${chosen}`);
}

const tlsCodes: Readonly<Record<string, DoctorCode>> = {
  CERT_HAS_EXPIRED: 'TLS_EXPIRED',
  CERT_NOT_YET_VALID: 'TLS_NOT_YET_VALID',
  ERR_TLS_CERT_ALTNAME_INVALID: 'TLS_WRONG_NAME',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'TLS_SELF_SIGNED',
  SELF_SIGNED_CERT_IN_CHAIN: 'TLS_UNTRUSTED',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'TLS_UNTRUSTED',
  UNABLE_TO_GET_ISSUER_CERT: 'TLS_UNTRUSTED',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'TLS_UNTRUSTED',
  CERT_UNTRUSTED: 'TLS_UNTRUSTED',
};

export async function checkTls(subject: Subject, signal: AbortSignal): Promise<Finding> {
  const { way, socket, http, parts } = subject;
  const { target } = way!;
  if (target.protocol === 'http:') {
    socket?.destroy();
    return found('NOT_NEEDED', 'plain http');
  }
  try {
    const { problem, validFrom, validTo, names, issuer, protocol } = await readCertificate(socket!, target, http.ca, signal);
    const dates = `valid from ${day(validFrom)} to ${day(validTo)}, for ${names}, issued by ${issuer}`;
    if (problem) {
      const code = tlsCodes[String(problem.details?.code)] ?? 'TLS_FAILED';
      return found(code, `${problem.message} (${dates})`, problem.hint);
    }
    const leftMs = validTo.getTime() - parts.clock.date().getTime();
    if (leftMs < soonMs)
      return found(
        'TLS_EXPIRES_SOON',
        `its certificate ends in ${formatDuration(leftMs)} (${dates})`,
        "renew the server's certificate",
      );
    return found('OK', `${protocol}, ${dates}${http.ca === undefined ? '' : ', trusted by "ca"'}`);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof McpctlError)) throw error;
    return foundError('TLS_FAILED', error);
  }
}

const day = (date: Date): string => (Number.isNaN(date.getTime()) ? '?' : date.toISOString().slice(0, 10));

/** Asks for a sign of life without a session and without a stored token, which leaves nothing behind on the server. */
export async function checkHttp(subject: Subject, signal: AbortSignal): Promise<Finding> {
  const { server, http, parts } = subject;
  const { clock, env } = parts;
  await using fetcher = createHttpFetch({
    ...{ maxBodyBytes, connectTimeoutMs: server.timeouts.connectMs, headersTimeoutMs: answerMs },
    ...{ addressGuard: subject.guard(), env, clock, ...(http.ca === undefined ? {} : { ca: http.ca }) },
  });
  const get = () => fetcher.fetch(http.url, { headers: { ...http.headers, accept: 'text/event-stream' }, signal });
  const body = JSON.stringify({ jsonrpc: '2.0', id: 'mcpctl', method: 'ping' });
  const accept = 'application/json, text/event-stream';
  const headers = { ...http.headers, 'content-type': 'application/json', accept };
  const post = () => fetcher.fetch(http.url, { method: 'POST', headers, body, signal });
  try {
    let response = await (http.type === 'sse' ? get() : post());
    // The older transport takes no POST here.
    if (http.type === 'auto' && (response.status === 404 || response.status === 405)) {
      const other = await get();
      if (other.ok || other.status === 401) response = other;
    }
    subject.sawDate(new URL(http.url).host, response.headers.get('date'));
    const finding = await judge(subject, response);
    await response.body?.cancel();
    return finding;
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof McpctlError)) throw error;
    return foundError(failureCode(error), error);
  }
}

function failureCode({ code, details }: McpctlError): DoctorCode {
  if (details?.reason === 'proxy') return 'PROXY_REFUSED';
  if (details?.reason === 'tls') return 'TLS_FAILED';
  if (code === 'TIMEOUT') return 'HTTP_TIMEOUT';
  return code === 'PROTOCOL' || code === 'TOO_LARGE' ? 'HTTP_INVALID' : 'HTTP_NO_ANSWER';
}

async function judge(subject: Subject, response: Response): Promise<Finding> {
  const { server, http } = subject;
  const { status } = response;
  const said = `HTTP ${status}`;
  if (status === 401) {
    if (hasAuthorization(http.headers))
      return found(
        'HEADER_REFUSED',
        `it refuses the Authorization header of the configuration (${said})`,
        `correct it: mcpctl config explain ${server.name}`,
      );
    const { parseChallenge } = await import('../../auth/discovery.js');
    subject.wantsLogin = true;
    subject.challenge = parseChallenge(response.headers.get('www-authenticate'));
    return found('OK', `it answers, and wants a login (${said})`);
  }
  if (status >= 300 && status < 400) {
    const fix = `write its final address as the url of "${server.name}"; your headers go to no other one`;
    return found(
      'HTTP_REDIRECT',
      `it leads to ${placeOf(response.headers.get('location'), http.url)}, where nobody follows (${said})`,
      fix,
    );
  }
  if (status === 429)
    return found('HTTP_TOO_MANY', `it was asked too often (${said})`, `wait, then: mcpctl doctor ${server.name}`);
  const refusal = refusalOf(subject, status);
  if (refusal) {
    // Some servers say such things to whoever comes without a session, and work.
    const opens = await subject.open().then(
      () => true,
      () => false,
    );
    return opens ? found('OK', `it answers (${said} without a session)`) : refusal;
  }
  if (response.redirected)
    return found(
      'HTTP_REDIRECTED',
      `it answers at another address of the same host (${said})`,
      `write ${placeOf(response.url, http.url)} with its path as the url of "${server.name}"`,
    );
  return found('OK', `it answers (${said}${response.ok ? '' : ' without a session'})`);
}

function refusalOf({ server }: Subject, status: number): Finding | undefined {
  const said = `HTTP ${status}`;
  if (status === 403)
    return found(
      'HTTP_FORBIDDEN',
      `it denies access (${said})`,
      'check the token in its "headers", and what it is allowed to do',
    );
  if (status === 404)
    return found(
      'HTTP_NOT_FOUND',
      `there is nothing at this address (${said})`,
      `correct its url in ${server.file}:${server.position.line}`,
    );
  return status >= 500 ? found('HTTP_SERVER_ERROR', `it is in trouble (${said})`, 'ask those who run the server') : undefined;
}

/** Where somebody is sent to, without the rest of that address: it may repeat what we sent. */
function placeOf(location: string | null, base: string): string {
  try {
    return new URL(location ?? '', base).origin;
  } catch {
    return 'no address';
  }
}
