/** One server of one file, resolved: variables expanded, paths absolute, secrets known, everything checked that a type cannot say. */
import { readFile, stat } from 'node:fs/promises';
import { dirname, isAbsolute, resolve, sep } from 'node:path';
import { rootMessage } from '../core/errors.js';
import { hashOf } from './canonical.js';
import type { ConfigDocument } from './document.js';
import { type Expansion, expand } from './expand.js';
import { headerProblem, variableProblem } from './field-rules.js';
import type { Env } from './paths.js';
import { configInvalid, type KeyPath } from './position.js';
import type { DefaultValues } from './presets.js';
import {
  type Approval,
  type ConfigProblem,
  type EndpointAddress,
  type HttpDefinition,
  hasAuthorization,
  type OAuthOptions,
  type ServerConfig,
  type ServerDefinition,
  type ServerSource,
  type StdioDefinition,
} from './schema.js';
import {
  headerSecrets,
  isOnlyReference,
  isPlainVariable,
  isSecretField,
  mask,
  maskArguments,
  maskPieces,
  maskUrl,
  parseUrl,
  substitutedSecrets,
  substitutedUrlSecrets,
  urlSecrets,
} from './secrets.js';
import { serverOptions } from './server-options.js';
import { normalType, type ServerEntry } from './shape.js';
import { shellQuoted } from './shell-quoted.js';

export interface ResolveOptions {
  readonly name: string;
  readonly entry: ServerEntry;
  readonly source: ServerSource;
  readonly document: ConfigDocument;
  readonly approval: Approval;
  /** The preset and the `defaults` of all files together. */
  readonly defaults: DefaultValues;
  readonly env: Env;
  /** Where a server runs that says nothing about it; absolute. */
  readonly defaultCwd: string;
  /** The override of `enabled` in the settings. */
  readonly override: boolean | undefined;
}

export interface ResolvedServer {
  readonly server: ServerConfig;
  readonly problems: readonly ConfigProblem[];
  readonly secrets: readonly string[];
}

/** Certificates of authorities are a few kilobytes; a bundle of all public ones is under 300 KB. */
const maxCaBytes = 1024 ** 2;

export async function resolveServer(options: ResolveOptions): Promise<ResolvedServer> {
  const { name, entry, document } = options;
  const enabledInFile = entry.enabled ?? true;
  const enabled = options.override ?? enabledInFile;
  const collector = new Collector(options, enabled);
  const {
    definition,
    shown,
    target,
    endpoints = [],
  } = entry.command === undefined ? await resolveHttp(options, collector) : resolveStdio(options, entry.command, collector);
  const settled = serverOptions(entry, options.defaults);
  const oauth = entry.oauth && entry.command === undefined ? resolveOAuth(settled.oauth, options, collector) : settled.oauth;
  const problem = collector.error();
  const server: ServerConfig = {
    name,
    source: options.source,
    approval: options.approval,
    file: document.file,
    position: document.position(['mcpServers', name], { key: true }),
    enabled,
    enabledInFile,
    target,
    definition,
    shown,
    endpoints,
    ...settled,
    oauth,
    hash: hashOf({ definition, protocol: settled.protocol }),
    ...(problem && { problem }),
  };
  return { server, problems: collector.problems, secrets: [...collector.secrets] };
}

interface Resolved {
  readonly definition: ServerDefinition;
  readonly shown: ServerDefinition;
  readonly target: string;
  readonly endpoints?: readonly EndpointAddress[];
}

function resolveStdio({ entry, document, defaultCwd }: ResolveOptions, written: string, collector: Collector): Resolved {
  const folder = dirname(document.file);
  const program = collector.expand(written, ['command']);
  const args = (entry.args ?? []).map((arg, index) => collector.expand(arg, ['args', index]));
  const folderText = entry.cwd === undefined ? undefined : collector.expand(entry.cwd, ['cwd']).value;
  if (program.value === '' && program.problems.length === 0)
    collector.fail(['command'], 'is empty once its variables are expanded');

  const env: Record<string, string> = Object.create(null);
  const shownEnv: Record<string, string> = Object.create(null);
  for (const [name, text] of Object.entries(entry.env ?? {})) {
    const path = ['env', name];
    const wrong = variableProblem(name);
    if (wrong) collector.fail(path, wrong, { key: true });
    const expansion = collector.expand(text, path);
    env[name] = expansion.value;
    shownEnv[name] = isSecretField(name) && expansion.value ? mask : maskPieces(expansion);
    collector.keep(substitutedSecrets(expansion), isSecretField(name) ? [expansion.value] : []);
  }
  if (entry.inheritEnv)
    collector.warn(['inheritEnv'], 'the server sees every environment variable of mcpctl but MCPCTL_*, secrets included');
  for (const key of ['url', 'headers', 'ca', 'oauth'] as const)
    if (entry[key] !== undefined) collector.warn([key], 'has no effect together with "command"');

  // As a shell does it: a bare name is looked up in PATH, anything with a separator is a path.
  const isPath = program.value.includes('/') || program.value.includes(sep);
  const common = {
    type: 'stdio',
    command: isPath && !isAbsolute(program.value) ? resolve(folder, program.value) : program.value,
    cwd: folderText === undefined ? defaultCwd : resolve(folder, folderText),
    inheritEnv: entry.inheritEnv ?? false,
  } as const;
  const masked = maskArguments(args);
  collector.keep(masked.secrets);
  const definition: StdioDefinition = { ...common, args: args.map((arg) => arg.value), env };
  const shown: StdioDefinition = { ...common, args: masked.shown, env: shownEnv };
  return { definition, shown, target: [common.command, ...masked.shown].map(shellQuoted).join(' ') };
}

async function resolveHttp({ entry, document }: ResolveOptions, collector: Collector): Promise<Resolved> {
  const listed = entry.endpoints?.map(({ url, weight = 1 }, index) => ({
    weight,
    ...resolveUrl(url, ['endpoints', index, 'url'], collector),
  }));
  const { address, url, secrets } = listed?.[0] ?? resolveUrl(entry.url ?? '', ['url'], collector);

  const headers: Record<string, string> = Object.create(null);
  const shownHeaders: Record<string, string> = Object.create(null);
  const spelling = new Map<string, string>();
  for (const [name, text] of Object.entries(entry.headers ?? {})) {
    const path = ['headers', name];
    const expansion = collector.expand(text, path);
    const twin = spelling.get(name.toLowerCase());
    const wrong =
      headerProblem(name, expansion.value) ?? (twin && `the same header as ${JSON.stringify(twin)}: names differ only in case`);
    if (wrong) collector.fail(path, wrong, { key: true });
    spelling.set(name.toLowerCase(), name);
    headers[name] = expansion.value;
    shownHeaders[name] = isSecretField(name) && expansion.value ? mask : maskPieces(expansion);
    collector.keep(substitutedSecrets(expansion), headerSecrets(name, expansion.value));
  }
  for (const key of ['args', 'env', 'cwd', 'inheritEnv', 'stop'] as const) {
    if (entry[key] !== undefined) collector.warn([key], 'has no effect together with "url"');
  }
  const ca = entry.ca === undefined ? undefined : await readCa(resolve(dirname(document.file), entry.ca), collector);
  const given = entry.type ?? entry.transport;
  const type: HttpDefinition['type'] =
    given === undefined || given === 'stdio' ? 'auto' : (normalType(given) as HttpDefinition['type']);
  const shownUrl = url ? maskUrl(url, secrets) : maskPieces(address);
  const definition: HttpDefinition = {
    type,
    url: url ? withoutUserinfo(url, headers) : address.value,
    headers,
    ...(ca !== undefined && { ca }),
  };
  if (headers.Authorization !== undefined) collector.keep(headerSecrets('Authorization', headers.Authorization));
  const shown: HttpDefinition = { type, url: shownUrl, headers: shownHeaders, ...(ca !== undefined && { ca: entry.ca! }) };
  const endpoints = (listed ?? [{ weight: 1, address, url, secrets }]).map(
    (each): EndpointAddress => ({
      url: each.url ? withoutUserinfo(each.url, headers) : each.address.value,
      target: each.url ? maskUrl(each.url, each.secrets) : maskPieces(each.address),
      weight: each.weight,
    }),
  );
  for (const [index, { url: own }] of endpoints.entries()) {
    const path = ['endpoints', index, 'url'];
    if (endpoints.findIndex((other) => other.url === own) < index) collector.fail(path, 'is the address of another endpoint');
    const { username, password } = listed?.[index]?.url ?? {};
    if (index > 0 && (username || password))
      collector.fail(path, 'has a password of its own; put it into "headers", for all of them');
  }
  return { definition, shown, target: shownUrl, endpoints };
}

function resolveUrl(text: string, path: KeyPath, collector: Collector) {
  const address = collector.expand(text, path);
  const url = parseUrl(address.value.trim());
  if (address.problems.length === 0) {
    if (!url) collector.fail(path, 'is not a URL; write for example "https://example.com/mcp"');
    else if (url.protocol !== 'http:' && url.protocol !== 'https:') {
      collector.fail(path, `must start with http:// or https://, not ${url.protocol}`);
    }
  }
  const secrets = [...substitutedUrlSecrets(address), ...(url ? urlSecrets(url) : [])];
  collector.keep(secrets);
  return { address, url, secrets };
}

/** The address without user and password, which move into a header: they must not stand in error messages, and fetch refuses them in a URL. */
function withoutUserinfo(url: URL, headers: Record<string, string>): string {
  const bare = new URL(url);
  bare.username = '';
  bare.password = '';
  bare.hash = '';
  const hasHeader = Object.keys(headers).some((name) => name.toLowerCase() === 'authorization');
  if ((url.username || url.password) && !hasHeader) {
    const pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
    headers.Authorization = `Basic ${Buffer.from(pair).toString('base64')}`;
  }
  return bare.href;
}

/** Variables count in the secret alone: nothing else of a login needs to be kept out of a file. */
function resolveOAuth(oauth: OAuthOptions, { entry, document, env }: ResolveOptions, collector: Collector): OAuthOptions {
  const { clientSecret, clientSecretEnv, privateKeyFile } = oauth;
  const path = ['oauth', 'clientSecret'];
  const secret = clientSecret === null ? undefined : collector.expand(clientSecret, path);
  if (secret) collector.keep([secret.value]);
  if (secret?.pieces.some(({ variable }) => variable === undefined))
    collector.warn(path, `is a secret in plain text; "\${VAR}" or "clientSecretEnv" takes it from your environment`);
  if (clientSecretEnv !== null && Object.hasOwn(env, clientSecretEnv) && !isPlainVariable(clientSecretEnv))
    collector.keep([env[clientSecretEnv] ?? '']);
  if (hasAuthorization(entry.headers ?? {})) collector.warn(['oauth'], 'has no effect together with an Authorization header');
  return {
    ...oauth,
    clientSecret: secret?.value ?? null,
    privateKeyFile: privateKeyFile === null ? null : resolve(dirname(document.file), privateKeyFile),
  };
}

async function readCa(path: string, collector: Collector): Promise<string | undefined> {
  try {
    const { size } = await stat(path);
    if (size > maxCaBytes) return void collector.fail(['ca'], `${path} is larger than 1 MiB; it should hold certificates only`);
    const text = await readFile(path, 'utf8');
    if (text.includes('-----BEGIN CERTIFICATE-----')) return text;
    return void collector.fail(['ca'], `${path} holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)`);
  } catch (error) {
    return void collector.fail(['ca'], `cannot read the certificates: ${rootMessage(error)}`);
  }
}

/** Gathers what is found on the way through one entry. */
class Collector {
  readonly problems: ConfigProblem[] = [];
  readonly secrets = new Set<string>();
  readonly #errors: ConfigProblem[] = [];
  readonly #missing = new Set<string>();

  constructor(
    private readonly options: ResolveOptions,
    private readonly enabled: boolean,
  ) {}

  expand(text: string, path: KeyPath): Expansion {
    const expansion = expand(text, this.options.env);
    for (const message of expansion.problems) this.fail(path, message);
    for (const name of expansion.missing) this.#missing.add(name);
    const field = path[0];
    if (field !== 'headers' && expansion.value.includes('\0')) this.fail(path, 'contains a NUL character');
    if ((field === 'command' || field === 'cwd') && expansion.value.startsWith('~')) {
      this.warn(path, `"~" is not expanded; write "\${HOME}"`);
    }
    return expansion;
  }

  /** Makes the server unusable. For a disabled server that is only worth a warning: it may be disabled for this very reason. */
  fail(path: KeyPath, message: string, { key = false } = {}): void {
    const problem = this.#problem('error', path, message, key);
    this.#errors.push(problem);
    this.problems.push(this.enabled ? problem : { ...problem, severity: 'warning' });
  }

  warn(path: KeyPath, message: string): void {
    this.problems.push(this.#problem('warning', path, message, true));
  }

  keep(...lists: readonly (readonly string[])[]): void {
    // Of a variable that has no value the name is left, which is no secret; blanked out, it would be missing from the message about it.
    for (const secret of lists.flat()) if (secret && !isOnlyReference(secret)) this.secrets.add(secret);
  }

  error() {
    if (this.#errors.length === 0) return undefined;
    const [first] = this.#missing;
    return configInvalid(this.#errors, {
      server: this.options.name,
      ...(first !== undefined && { hint: `set it: export ${first}=…, or give it a default in the file: \${${first}:-value}` }),
    });
  }

  #problem(severity: ConfigProblem['severity'], path: KeyPath, message: string, key: boolean): ConfigProblem {
    return this.options.document.problem(severity, ['mcpServers', this.options.name, ...path], message, { key });
  }
}
