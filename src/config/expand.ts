/** `${VAR}` and `${VAR:-default}` in the strings of a server; one pass, so that a value is never expanded again. */
import type { Env } from './paths.js';

export interface Piece {
  readonly text: string;
  /** The variable this text was taken from; undefined for text that stands in the file, a default included. */
  readonly variable?: string;
}

export interface Expansion {
  readonly value: string;
  readonly pieces: readonly Piece[];
  /** What is wrong, in words for the user; the piece concerned stands in `value` as written. */
  readonly problems: readonly string[];
  /** The variables that are not set and have no default. */
  readonly missing: readonly string[];
}

const variableName = /^[A-Za-z_][A-Za-z0-9_]*$/;

/**
 * Expands `text`. `$${` stands for a literal `${`. A default is used when the variable is unset or empty, as in sh,
 * and is taken as it stands. An empty variable without a default gives the empty string.
 */
export function expand(text: string, env: Env): Expansion {
  const pieces: Piece[] = [];
  const problems: string[] = [];
  const missing: string[] = [];
  let from = 0;
  for (let at = text.indexOf('${'); at !== -1; at = text.indexOf('${', from)) {
    if (at > from && text[at - 1] === '$') {
      pieces.push({ text: text.slice(from, at - 1) }, { text: '${' });
      from = at + 2;
      continue;
    }
    pieces.push({ text: text.slice(from, at) });
    const end = text.indexOf('}', at);
    const written = end === -1 ? text.slice(at) : text.slice(at, end + 1);
    from = at + written.length;
    const found = end === -1 ? { problem: `"\${" without "}"; ${literalHint}` } : lookUp(written.slice(2, -1), env);
    if ('problem' in found) {
      problems.push(found.problem);
      if (found.missing !== undefined) missing.push(found.missing);
      pieces.push({ text: written });
    } else pieces.push(found);
  }
  pieces.push({ text: text.slice(from) });
  return {
    value: pieces.map((piece) => piece.text).join(''),
    pieces: pieces.filter((piece) => piece.text !== ''),
    problems,
    missing,
  };
}

/** The variables that expanding `text` would look up, in order of appearance. Looks none of them up. */
export function variablesOf(text: string): string[] {
  const names = new Set<string>();
  const recorder: Env = new Proxy<Record<string, string>>(
    {},
    {
      getOwnPropertyDescriptor: (_, name) => {
        names.add(String(name));
        return undefined;
      },
    },
  );
  expand(text, recorder);
  return [...names];
}

const literalHint = 'a literal "${" is written "$${"';

/** The piece for `VAR` or `VAR:-default`, or what is wrong with it. */
function lookUp(reference: string, env: Env): Piece | { problem: string; missing?: string } {
  const separator = reference.indexOf(':-');
  const name = separator === -1 ? reference : reference.slice(0, separator);
  if (!variableName.test(name)) {
    return { problem: `"\${${reference}}" is not understood: write \${VAR} or \${VAR:-default}; ${literalHint}` };
  }
  const value = Object.hasOwn(env, name) ? env[name] : undefined;
  if (separator !== -1) return value ? { text: value, variable: name } : { text: reference.slice(separator + 2) };
  if (value === undefined) return { problem: `the environment variable ${name} is not set`, missing: name };
  return { text: value, variable: name };
}
