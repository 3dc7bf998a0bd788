/** Which addresses a login may involve. What names them comes from a server, so that it must not decide where we go. */
import { isIP } from 'node:net';
import { addressProblem, hostOf } from '../config/oauth-shape.js';
import type { HttpDefinition, ServerConfig } from '../config/schema.js';
import { McpctlError } from '../core/errors.js';
import { sanitizeLine } from '../core/sanitize.js';
import { type AddressGuard, type AddressReach, reachOf } from '../io/address-guard.js';

/*
 * | address              | reached when                                                                                  |
 * |----------------------|-----------------------------------------------------------------------------------------------|
 * | public               | always                                                                                        |
 * | private network      | the URL of the server has a private or loopback address, or the host is the server's own, or  |
 * |                      | it is named in oauth.allowHosts                                                               |
 * | this machine         | the URL of the server has a loopback address or is localhost; else as above                   |
 * | metadata of a cloud  | never                                                                                         |
 *
 * The server counts as private by the address written in its URL, not by what its name resolves to: whoever has the name decides
 * that, and could open the private network by it. The server's own host may resolve to anything, as it may for every call to it:
 * over https nobody answers there without its certificate.
 */

/** What is needed of a server. */
export type LoginTarget = Pick<ServerConfig, 'name' | 'definition' | 'oauth'>;

const ranks: Readonly<Record<Exclude<AddressReach, 'metadata'>, number>> = { public: 0, private: 1, loopback: 2 };

const longestShown = 200;

/** @throws McpctlError `USAGE` for a program */
export function definitionOf(server: LoginTarget): HttpDefinition {
  if (server.definition.type !== 'stdio') return server.definition;
  throw new McpctlError('USAGE', `Server "${server.name}" is a program: there is nothing to log in to`, {
    server: server.name,
    hint: 'what it needs is given with "env" in its configuration',
  });
}

/** Why a login may not involve this address, judged without a resolver; undefined when it may. For the browser as for requests. */
export function refusedAddress(server: LoginTarget, address: string): McpctlError | undefined {
  const problem = addressProblem(address);
  const shown = sanitizeLine(address, longestShown);
  if (problem !== undefined)
    return refused(server, `"${shown}" ${problem}`, 'this is what the server sent; tell whoever runs it', 'address');
  const hostname = bare(new URL(address).hostname);
  const family = isIP(hostname);
  if (hostname === 'localhost') return judge(server, hostname, hostname, 'loopback');
  return family === 0 ? undefined : judge(server, hostname, hostname, reachOf(hostname, family as 4 | 6));
}

/** The same for the addresses that a name resolves to, at the moment of connecting. */
export function oauthAddressGuard(server: LoginTarget): AddressGuard {
  return (hostname, address, family) => {
    const refusal = judge(server, hostname, address, reachOf(address, family));
    if (refusal) throw refusal;
  };
}

function judge(server: LoginTarget, hostname: string, address: string, reach: AddressReach): McpctlError | undefined {
  const subject = hostname === address ? address : `${hostname} (${address})`;
  if (reach === 'metadata') {
    const message = `${subject} is the address of a cloud metadata service`;
    return refused(server, message, 'this is what the server sent; tell whoever runs it', 'blocked');
  }
  const own = bare(new URL(definitionOf(server).url).hostname);
  if (ranks[reach] <= ranks[reachOfHost(own)] || hostname === own) return undefined;
  if (server.oauth.allowHosts.some((host) => bare(hostOf(host) ?? '') === hostname)) return undefined;
  const where = reach === 'loopback' ? 'this machine' : 'a private network';
  const hint = `if this login is meant to go there, add "${hostname}" to "allowHosts" under "oauth" of this server in your own configuration`;
  return refused(server, `${subject} is in ${where}, and the server is not`, hint, 'blocked');
}

function reachOfHost(hostname: string): Exclude<AddressReach, 'metadata'> {
  if (hostname === 'localhost') return 'loopback';
  const family = isIP(hostname);
  const reach = family === 0 ? 'public' : reachOf(hostname, family as 4 | 6);
  return reach === 'metadata' ? 'public' : reach;
}

function refused(server: LoginTarget, message: string, hint: string, reason: 'address' | 'blocked'): McpctlError {
  const details = { reason };
  return new McpctlError('AUTH_FAILED', `Refused: ${message}`, { server: server.name, hint, details, delivered: 'no' });
}

function bare(hostname: string): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
}
