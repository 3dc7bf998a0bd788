/** Secrets written out in words that someone types, where `${VAR}` would keep them out of files, histories and process lists. */
import type { JsonValue } from './document.js';
import { mask, maskArguments } from './secrets.js';
import { isObject } from './shape.js';

/** Values that are secret by their shape: `Bearer x`, keys of well-known services, JSON Web Tokens, passwords inside a URL. */
export const secretShapes =
  /\bbearer\s+\S|\b(?:sk|pk|rk)[-_](?:live|test|ant|proj)[-_]|\bsk-\w{16}|\bgh[pousr]_\w{16}|\bgithub_pat_|\bglpat-|\bxox[abposr]-|\bAKIA[0-9A-Z]{12}|\beyJ[\w-]{10,}\.|:\/\/[^\s/@:]*:[^\s/@]+@/i;

/** Masked where they stand alone only: anywhere else they are parts of ordinary words. */
const minPartLength = 4;

/** The secrets in the words of a command line: `--token x`, `TOKEN=x`, `Authorization: Bearer x`, `https://user:x@host`. */
export function literalSecrets(words: readonly string[]): string[] {
  const texts = words.map((word) => withoutReferences(word.replace(/^--(?:header|env)=/, '')));
  const found = maskArguments(texts.map((value) => ({ value, pieces: [{ text: value }], problems: [], missing: [] }))).secrets;
  for (const text of texts) if (secretShapes.test(text)) found.push(/^[\w.-]+\s*[=:](?!\/\/)\s*(.+)$/s.exec(text)?.[1] ?? text);
  // "Bearer ${TOKEN}" leaves the scheme alone.
  return [...new Set(found)].filter((secret) => !/^\s*(?:bearer|basic|digest|token)?\s*$/i.test(secret));
}

/** The words an entry would be typed as. */
export function wordsOf(entry: { readonly [key: string]: JsonValue }): string[] {
  const text = (key: string) => (typeof entry[key] === 'string' ? [entry[key]] : []);
  const pairs = (key: string, separator: string) =>
    isObject(entry[key]) ? Object.entries(entry[key]).map(([name, value]) => `${name}${separator}${String(value)}`) : [];
  const args = Array.isArray(entry.args) ? entry.args.map(String) : [];
  const oauth = isObject(entry.oauth) ? entry.oauth : {};
  const secret = typeof oauth.clientSecret === 'string' ? [`clientSecret=${oauth.clientSecret}`] : [];
  return [...text('command'), ...args, ...text('url'), ...pairs('env', '='), ...pairs('headers', ': '), ...secret];
}

/** A copy to show, without these secrets. */
export function masked<T extends JsonValue>(value: T, secrets: readonly string[]): T {
  if (typeof value === 'string') {
    if (secrets.includes(value)) return mask as T;
    const parts = secrets.filter((secret) => secret.length >= minPartLength).sort((a, b) => b.length - a.length);
    return parts.reduce<string>((text, secret) => text.replaceAll(secret, mask), value) as T;
  }
  if (Array.isArray(value)) return value.map((item) => masked(item, secrets)) as T;
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, masked(item, secrets)])) as T;
}

/** References name a variable and hide its value; a default stands there for everyone to read. */
function withoutReferences(text: string): string {
  return text.replace(/\$\{[A-Za-z_]\w*(?::-([^}]*))?\}/g, (_, text = '') => text);
}
