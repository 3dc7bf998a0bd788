/** Which parts of a server's definition are secret: the values to keep out of every output, and text with them masked. */
import { isSecretName } from '../core/redact.js';
import type { Expansion, Piece } from './expand.js';

export const mask = '***';

/** Variables every program sees: their values are places and names, and blanking them out would spoil ordinary output. */
const plainVariables = new Set([
  'HOME',
  'LANG',
  'LOGNAME',
  'PATH',
  'PWD',
  'SHELL',
  'TERM',
  'TMPDIR',
  'TZ',
  'USER',
  'TEMP',
  'TMP',
]);

/** Whether a variable holds a place or a name, whatever somebody says about it. */
export function isPlainVariable(name: string): boolean {
  return plainVariables.has(name);
}

/** From this length on a value taken from any other variable counts as a secret; shorter ones are numbers, flags and words. */
const minSubstitutedLength = 8;
const minAddressPartLength = 12;

/** `X-Api-Key`, `ENCRYPTION_KEY`, `key_id`: wider than the names `core/redact` knows. */
const keyName = /key$|key[-_.]|[-_.]key/i;

/** Whether the value of a variable, header, argument or query field of this name is a secret. */
export function isSecretField(name: string): boolean {
  return isSecretName(name) || keyName.test(name);
}

/** Whether a text is nothing but a variable, as one ought to write it (`${TOKEN}`, `Bearer ${TOKEN}`): no secret yet. A default stands there for everyone to read. */
export function isOnlyReference(text: string): boolean {
  return /^(?:\w+ )?\$\{(?!\w+:-)[^}]*\}$/.test(text);
}

/** Whether a piece of an expanded text must not be shown: taken from a variable that is not one of the plain ones. */
function isSecretPiece(piece: Piece): boolean {
  if (piece.variable === undefined || plainVariables.has(piece.variable)) return false;
  return isSecretField(piece.variable) || piece.text.length >= minSubstitutedLength;
}

/** The values taken from variables that must be redacted. */
export function substitutedSecrets(expansion: Expansion): string[] {
  return expansion.pieces.filter(isSecretPiece).map((piece) => piece.text);
}

/** What must be redacted of the variables in a URL: the host is no secret, what stands behind it may be one. */
export function substitutedUrlSecrets(expansion: Expansion): string[] {
  const scheme = expansion.value.indexOf('://');
  const afterHost = scheme === -1 ? 0 : expansion.value.slice(scheme + 3).search(/[/?#]|$/) + scheme + 3;
  const found: string[] = [];
  let offset = 0;
  for (const piece of expansion.pieces) {
    const behindHost = piece.text.slice(Math.max(0, afterHost - offset));
    if (isSecretPiece(piece)) {
      // A variable that holds a whole address: only its long parts, or an ordinary path such as "/mcp" would be blanked out everywhere.
      if (offset < afterHost) found.push(...behindHost.split(/[/?#&=]/).filter((part) => part.length >= minAddressPartLength));
      else found.push(piece.text);
    }
    offset += piece.text.length;
  }
  return found;
}

/** The text with what came from variables masked. */
export function maskPieces(expansion: Expansion): string {
  return expansion.pieces.map((piece) => (isSecretPiece(piece) ? mask : piece.text)).join('');
}

/** A header's secrets: the whole value, and the credential in it without its scheme, because that is what leaks further. */
export function headerSecrets(name: string, value: string): string[] {
  if (!isSecretField(name)) return [];
  const found = [value];
  const [, scheme, credential] = /^(\w+)\s+(\S+)$/.exec(value) ?? [];
  if (scheme && credential) {
    found.push(credential);
    if (scheme.toLowerCase() === 'basic') found.push(afterColon(Buffer.from(credential, 'base64').toString()));
  }
  if (/^cookie$/i.test(name)) found.push(...value.split(';').map((pair) => pair.slice(pair.indexOf('=') + 1).trim()));
  return found.filter(Boolean);
}

function afterColon(text: string): string {
  return text.slice(text.indexOf(':') + 1);
}

/** The secrets written into a URL: password (or a user name alone, which is a token then) and query values with telling names. */
export function urlSecrets(url: URL): string[] {
  const found: string[] = [];
  const userinfo = url.password || url.username;
  if (userinfo) found.push(userinfo, decoded(userinfo));
  for (const [name, value] of url.searchParams) if (isSecretField(name) && value) found.push(value);
  return [...new Set(found)];
}

/** A URL to show: no userinfo, no secret query value, nothing of `secrets` behind the host, no fragment. */
export function maskUrl(url: URL, secrets: readonly string[]): string {
  const hide = (text: string) => maskValues(text, secrets);
  const userinfo = url.username || url.password ? `${mask}@` : '';
  const query = [...url.searchParams]
    .map(([name, value]) => `${hide(name)}=${isSecretField(name) && value ? mask : hide(value)}`)
    .join('&');
  return `${url.protocol}//${userinfo}${url.host}${hide(decoded(url.pathname))}${query && `?${query}`}`;
}

/** Arguments to show and the secrets in them: `--token x`, `--token=x`, `TOKEN=x`, `Authorization: x`, `https://user:x@…`. */
export function maskArguments(args: readonly Expansion[]): { shown: string[]; secrets: string[] } {
  const secrets: string[] = [];
  let isValueOfSecretFlag = false;
  const shown = args.map((expansion) => {
    const { value } = expansion;
    const wasSecret = isValueOfSecretFlag && !value.startsWith('-');
    isValueOfSecretFlag = /^--?[\w-]+$/.test(value) && isSecretField(value);
    if (wasSecret) {
      secrets.push(value);
      return mask;
    }
    const [, name, separator, rest] = /^([\w.-]+)(=|:\s*)([\s\S]+)$/.exec(value) ?? [];
    if (name && separator && rest && isSecretField(name)) {
      secrets.push(rest, ...headerSecrets(name, rest));
      return `${name}${separator}${mask}`;
    }
    const url = value.includes('://') ? parseUrl(value) : undefined;
    const inUrl = url ? urlSecrets(url) : [];
    secrets.push(...inUrl);
    if (url && inUrl.length > 0) return maskUrl(url, inUrl);
    const hidden = expansion.pieces.filter(isSecretArgument);
    secrets.push(...hidden.map((piece) => piece.text));
    return expansion.pieces.map((piece) => (hidden.includes(piece) ? mask : piece.text)).join('');
  });
  return { shown, secrets: [...new Set(secrets)] };
}

/** Arguments are mostly paths and options, which people need to see: secret is what is named or looks like a key. */
function isSecretArgument(piece: Piece): boolean {
  return piece.variable !== undefined && (isSecretField(piece.variable) || /^(?=.*\d)[\w+=-]{16,}$/.test(piece.text));
}

export function parseUrl(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}

function maskValues(text: string, secrets: readonly string[]): string {
  return [...secrets]
    .filter((secret) => secret.length >= 4)
    .sort((a, b) => b.length - a.length)
    .reduce((hidden, secret) => hidden.replaceAll(secret, mask), text);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
