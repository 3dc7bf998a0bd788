/** What the configuration says of a server: whether it can be used, what it needs from the environment, whether it was approved. */
import { stat } from 'node:fs/promises';
import { expand } from '../../config/expand.js';
import { definitionsOf } from '../../config/layers.js';
import { literalSecrets } from '../../config/literal-secrets.js';
import { formatPath, formatProblem } from '../../config/position.js';
import type { ConfigProblem } from '../../config/schema.js';
import type { ServerEntry } from '../../config/shape.js';
import { isWaiting, untrustedError } from '../../config/trust.js';
import { type Finding, found, foundError } from './chain.js';
import { verdictOf } from './codes.js';
import type { Subject } from './subject.js';

export function checkConfig(subject: Subject): Finding {
  const { server, parts, managed } = subject;
  const { name, file, position, problem } = server;
  const place = `${file}:${position.line}`;
  if (!server.enabled || !managed.snapshot().enabled)
    return found('SERVER_DISABLED', `disabled, so that nothing of it is used (${place})`, `mcpctl enable ${name}`);
  const others = otherProblems(subject);
  if (problem && !isWaiting(server) && others.length > 0)
    return found('CONFIG_INVALID', formatProblem(others[0]!), `correct it, then: mcpctl config validate`);
  const path = formatPath(['mcpServers', name]);
  const ownWarnings = parts.config.problems.filter(
    ({ severity, path: at, file: where }) => severity === 'warning' && where === file && isBelow(at, path),
  );
  if (ownWarnings.length > 0) {
    const more = ownWarnings.length > 1 ? ` (and ${ownWarnings.length - 1} more)` : '';
    return found('CONFIG_WARNING', formatProblem(ownWarnings[0]!) + more, 'mcpctl config validate');
  }
  return found('OK', place);
}

/** What is wrong besides variables that are not set. */
function otherProblems({ server: { problem } }: Subject): ConfigProblem[] {
  const all = problem?.details?.problems;
  const errors = Array.isArray(all) ? (all as ConfigProblem[]).filter(({ severity }) => severity === 'error') : [];
  return errors.filter(({ message }) => !/^the environment variable \w+ is not set$/.test(message));
}

function isBelow(path: string, start: string): boolean {
  return path === start || path.startsWith(`${start}.`) || path.startsWith(`${start}[`);
}

export async function checkEnvironment(subject: Subject): Promise<Finding> {
  const { server, parts } = subject;
  const entry = definitionsOf(parts.config.layers.files)
    .get(server.name)
    ?.findLast(({ file }) => file.path === server.file)?.entry;
  const words = entry ? wordsByField(entry) : [];
  const findings: Finding[] = [];
  // Of what nobody approved nothing is looked up.
  const missing = isWaiting(server) ? [] : words.flatMap(({ texts }) => texts.flatMap((text) => expand(text, parts.env).missing));
  const [first] = missing;
  if (first !== undefined) {
    const names = [...new Set(missing)].join(', ');
    findings.push(
      found(
        'VARIABLE_MISSING',
        `not set in the environment of mcpctl: ${names}`,
        `export ${first}=…, or \${${first}:-default} in ${server.file}`,
      ),
    );
  }
  const facts = await stat(server.file).catch(() => undefined);
  if (facts && (facts.mode & 0o002) !== 0)
    findings.push(
      found('FILE_WORLD_WRITABLE', `everybody on this machine can change ${server.file}`, `chmod o-w ${server.file}`),
    );
  const literal = words.filter(({ texts }) => literalSecrets(texts).length > 0).map(({ field }) => field);
  if (literal.length > 0) {
    const fields = literal.join(', ');
    findings.push(
      found(
        'SECRET_LITERAL',
        `a secret in plain text in the file: ${fields}`,
        `write \${VAR} there, and export VAR where mcpctl is started`,
      ),
    );
  }
  // Whatever it is: what cannot be used is not tried.
  if (missing.length === 0 && server.problem && !isWaiting(server)) return foundError('CONFIG_INVALID', server.problem);
  if (findings.length === 0) return found('OK', 'every variable is set, and no secret stands in the file');
  const worst = findings.find(({ code }) => verdictOf(code) === 'failed') ?? findings[0]!;
  return { ...worst, finding: [worst, ...findings.filter((other) => other !== worst)].map(({ finding }) => finding).join('; ') };
}

/** The texts of an entry in which variables count, by field; as a command line would have them. */
function wordsByField({ command, args = [], cwd, url, endpoints = [], env = {}, headers = {}, oauth }: ServerEntry) {
  const one = (field: string, text: string | undefined) => (text === undefined ? [] : [{ field, texts: [text] }]);
  const pairs = (field: string, values: Readonly<Record<string, string>>, sign: string) =>
    Object.entries(values).map(([name, value]) => ({ field: `${field}.${name}`, texts: [`${name}${sign}${value}`] }));
  const secret = oauth?.clientSecret;
  return [
    ...(command === undefined ? [] : [{ field: 'args', texts: [command, ...args] }]),
    ...one('cwd', cwd),
    ...one('url', url),
    ...endpoints.flatMap(({ url }) => one('endpoints', url)),
    ...(command === undefined ? [] : pairs('env', env, '=')),
    ...(command === undefined ? pairs('headers', headers, ': ') : []),
    ...(typeof secret === 'string' ? [{ field: 'oauth.clientSecret', texts: [`clientSecret=${secret}`] }] : []),
  ];
}

export function checkTrust({ server }: Subject): Finding {
  const { approval, source } = server;
  if (isWaiting(server)) return foundError(approval === 'changed' ? 'APPROVAL_OUTDATED' : 'NOT_APPROVED', untrustedError(server));
  if (approval === 'approved') return found('OK', 'approved as it is');
  return found('NOT_NEEDED', source === 'flag' ? 'given with -c, which approves it' : 'in your own configuration');
}
