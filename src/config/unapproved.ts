/** A server of a project file before its approval: as it is written, nothing expanded, looked up or read; for display only. */
import { dirname } from 'node:path';
import { canonicalJson, hashOf } from './canonical.js';
import type { Expansion } from './expand.js';
import type { ResolvedServer, ResolveOptions } from './resolve.js';
import type { EndpointAddress, HttpDefinition, ServerConfig, ServerDefinition } from './schema.js';
import { isOnlyReference, isSecretField, mask, maskArguments } from './secrets.js';
import { serverOptions } from './server-options.js';
import { normalType, type ServerEntry } from './shape.js';
import { shellQuoted } from './shell-quoted.js';
import { untrustedError } from './trust.js';

/** Its literal secrets are masked, but not collected: a folder must not decide which words vanish from what mcpctl prints. */
export function unapprovedServer(options: ResolveOptions): ResolvedServer {
  const { name, entry, source, document, approval } = options;
  const {
    definition,
    target,
    endpoints = [],
  } = entry.command === undefined ? asWrittenHttp(entry) : asWrittenStdio(entry, dirname(document.file));
  const enabledInFile = entry.enabled ?? true;
  const { file } = document;
  const server: ServerConfig = {
    name,
    source,
    approval,
    file,
    position: document.position(['mcpServers', name], { key: true }),
    enabled: options.override ?? enabledInFile,
    enabledInFile,
    target,
    definition,
    shown: definition,
    endpoints,
    ...serverOptions(entry, options.defaults),
    // Nobody's hash: what is remembered of a server that somebody approved is not lent to one that only looks like it.
    hash: hashOf({ unapproved: canonicalJson(document.at(['mcpServers', name])), file }),
    problem: untrustedError({ name, file, approval }),
  };
  return { server, problems: [], secrets: [] };
}

/** The command line or URL of an entry as it is written, literal secrets masked. */
export function targetAsWritten(entry: ServerEntry): string {
  return (entry.command === undefined ? asWrittenHttp(entry) : asWrittenStdio(entry, '')).target;
}

interface AsWritten {
  readonly definition: ServerDefinition;
  readonly target: string;
  readonly endpoints?: readonly EndpointAddress[];
}

function asWrittenStdio(entry: ServerEntry, folder: string): AsWritten {
  const command = entry.command ?? '';
  const { shown: args } = maskArguments((entry.args ?? []).map(asExpansion));
  const cwd = entry.cwd ?? folder;
  const definition = { type: 'stdio', command, args, env: maskedValues(entry.env), cwd, inheritEnv: false } as const;
  return { definition, target: [command, ...args].map(shellQuoted).join(' ') };
}

function asWrittenHttp(entry: ServerEntry): AsWritten {
  const given = entry.type ?? entry.transport;
  const type = given === undefined || given === 'stdio' ? 'auto' : (normalType(given) as HttpDefinition['type']);
  const endpoints = (entry.endpoints ?? [{ url: entry.url ?? '' }]).map(
    ({ url, weight = 1 }: { url: string; weight?: number | undefined }) => {
      const target = maskedUrlText(url);
      return { url: target, target, weight };
    },
  );
  const { url } = endpoints[0]!;
  return { definition: { type, url, headers: maskedValues(entry.headers) }, target: url, endpoints };
}

function asExpansion(text: string): Expansion {
  return { value: text, pieces: [{ text }], problems: [], missing: [] };
}

function maskedValues(values: Readonly<Record<string, string>> = {}): Record<string, string> {
  const shown: Record<string, string> = Object.create(null);
  for (const [name, value] of Object.entries(values))
    shown[name] = isSecretField(name) && value !== '' && !isOnlyReference(value) ? mask : value;
  return shown;
}

/** By its text, because a URL with variables in it is not one yet. */
function maskedUrlText(text: string): string {
  return text
    .replace(/^([^/?#]*:\/\/)[^/?#]*@/, `$1${mask}@`)
    .replace(/([?&])([^=&#]*)=([^&#]*)/g, (whole, separator: string, name: string, value: string) =>
      isSecretField(name) && value !== '' && !isOnlyReference(value) ? `${separator}${name}=${mask}` : whole,
    );
}
