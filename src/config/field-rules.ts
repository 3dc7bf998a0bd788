/** What may stand in a header or an environment variable. */

/** RFC 9110, section 5.6.2: a field name is a token. */
const headerName = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Written by the HTTP layer itself; a second opinion in the configuration is how requests get smuggled (RFC 9112, section 11.2). */
const ownHeaders = new Set(['connection', 'content-length', 'keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade']);

/** What is wrong with a header, undefined when nothing is. The value is never repeated in the message: it may be a secret. */
export function headerProblem(name: string, value: string): string | undefined {
  if (!headerName.test(name)) return `${JSON.stringify(name)} is not a header name`;
  if (ownHeaders.has(name.toLowerCase())) return 'this header is set by mcpctl and cannot be configured';
  if (/[\r\n]/.test(value)) return 'a header value must not contain a line break';
  if (/[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/.test(value)) return 'a header value must not contain control characters';
  if (/[^\0-\xff]/.test(value)) return 'a header value can only hold Latin-1 characters';
  return undefined;
}

/** What is wrong with the name of an environment variable. */
export function variableProblem(name: string): string | undefined {
  return name === '' || /[=\0]/.test(name) ? `${JSON.stringify(name)} is not a name for an environment variable` : undefined;
}
