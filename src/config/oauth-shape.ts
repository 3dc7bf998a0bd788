/** What may stand under "oauth" of a server: its keys, their bounds, and what does not go together. */
import * as z from 'zod/mini';
import { flag, type PartIssue, text, texts, textsByName, whole } from './shape-values.js';

export const oauthShape = () =>
  z.object({
    registration: z.optional(z.enum(['auto', 'static', 'cimd', 'dcr'])),
    scopes: texts,
    account: text,
    clientId: text,
    clientSecret: text,
    clientSecretEnv: text,
    privateKeyFile: text,
    clientMetadataUrl: text,
    resource: text,
    omitResource: flag,
    authorizationParams: textsByName,
    authEndpoint: text,
    tokenEndpoint: text,
    callbackPort: whole(1, 65_535),
    allowHosts: texts,
    assumeS256: flag,
    autoDiscover: flag,
  });

export type OAuthEntry = z.infer<ReturnType<typeof oauthShape>>;

/** Decided by mcpctl for every login: another value would break it, or what protects it. */
const ownParams = new Set([
  'client_id',
  'client_secret',
  'code_challenge',
  'code_challenge_method',
  'redirect_uri',
  'request',
  'request_uri',
  'resource',
  'response_mode',
  'response_type',
  'scope',
  'state',
]);

/** RFC 6749, section 3.3. */
const scopeToken = /^[\x21\x23-\x5b\x5d-\x7e]+$/;

export function checkOAuth(oauth: OAuthEntry): PartIssue[] {
  const issues: PartIssue[] = [];
  const add = (path: PartIssue['path'], message: string) => issues.push({ path, message });
  const { registration, clientId, clientSecretEnv, privateKeyFile, clientMetadataUrl } = oauth;
  if (registration === 'static' && clientId === undefined) add(['registration'], '"static" needs "clientId"');
  if (registration === 'cimd' && clientMetadataUrl === undefined) add(['registration'], '"cimd" needs "clientMetadataUrl"');
  const secrets = (['clientSecret', 'clientSecretEnv', 'privateKeyFile'] as const).filter((key) => oauth[key] !== undefined);
  if (secrets.length > 1) add([secrets[1]!], `"${secrets[0]}" and "${secrets[1]}" exclude each other; keep one`);
  if (secrets.length > 0 && clientId === undefined) add([secrets[0]!], 'needs "clientId"');
  if (clientSecretEnv !== undefined && !/^[A-Za-z_]\w*$/.test(clientSecretEnv))
    add(['clientSecretEnv'], 'is the name of a variable, such as GITHUB_SECRET; the secret itself does not belong here');
  for (const [key, other] of [
    ['authEndpoint', 'tokenEndpoint'],
    ['tokenEndpoint', 'authEndpoint'],
  ] as const) {
    const address = oauth[key];
    if (address === undefined) continue;
    const wrong = addressProblem(address);
    if (wrong) add([key], wrong);
    if (oauth[other] === undefined) add([key], `needs "${other}"`);
  }
  if (clientMetadataUrl !== undefined && !isDocumentAddress(clientMetadataUrl))
    add(['clientMetadataUrl'], 'must be an https:// address with a path, such as https://example.com/mcpctl.json');
  if (oauth.resource !== undefined && !isResource(oauth.resource))
    add(['resource'], 'must be an absolute address without "#", such as https://example.com/mcp');
  if (oauth.resource !== undefined && oauth.omitResource === true)
    add(['omitResource'], '"resource" and "omitResource" exclude each other');
  for (const [index, scope] of (oauth.scopes ?? []).entries())
    if (!scopeToken.test(scope)) add(['scopes', index], 'must be one scope, without spaces; a list has one entry for each');
  for (const [index, host] of (oauth.allowHosts ?? []).entries())
    if (hostOf(host) === undefined) add(['allowHosts', index], 'must be a host name or an address, such as login.internal');
  for (const name of Object.keys(oauth.authorizationParams ?? {}))
    if (ownParams.has(name.toLowerCase())) add(['authorizationParams', name], 'is set by mcpctl and cannot be configured');
  for (const [key, value] of Object.entries({ clientId, privateKeyFile, account: oauth.account }))
    if (value?.includes('${')) add([key], 'variables are not expanded here, only in "clientSecret"');
  return issues;
}

/** What is wrong with an address that secrets are sent to: https, or http that does not leave this machine. Undefined = nothing. */
export function addressProblem(text: string): string | undefined {
  // The URL standard drops line breaks and tabs, which other readers of the same text would not.
  if (/[\0-\x20\x7f]/.test(text) || text.length > maxAddressLength || !URL.canParse(text)) return 'is not a URL';
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') return 'must not hold a user name or password';
  if (url.protocol === 'https:') return undefined;
  if (url.protocol === 'http:' && isLoopbackName(url.hostname)) return undefined;
  return 'must be an https:// address (http:// only on this machine)';
}

/** Longer than any address a provider gives out, shorter than what hurts. */
const maxAddressLength = 8 * 1024;

/** As a URL spells it: `localhost`, or a literal address that no resolver is asked for. */
export function isLoopbackName(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

/** A host as a URL spells it, `undefined` for what is more or less than a host. */
export function hostOf(text: string): string | undefined {
  const bare = text.replace(/^\[(.*)\]$/, '$1');
  const written = bare.includes(':') ? `[${bare}]` : bare;
  if (!/^[^\s/?#@\\%*]+$/.test(written) || !URL.canParse(`https://${written}/`)) return undefined;
  const { hostname, port, pathname } = new URL(`https://${written}/`);
  return port === '' && pathname === '/' ? hostname : undefined;
}

function isDocumentAddress(text: string): boolean {
  return addressProblem(text) === undefined && text.startsWith('https://') && new URL(text).pathname !== '/';
}

/** RFC 8707, section 2. */
function isResource(text: string): boolean {
  return !/[\0-\x20\x7f#]/.test(text) && URL.canParse(text);
}
