/** The shape of a configuration file: which keys there are, of which type, within which bounds. */
import * as z from 'zod/mini';
import { limits } from './defaults.js';
import type { ConfigDocument, JsonValue } from './document.js';
import { defaultsParts, fileParts, type Parts, type PartsOf, serverParts } from './shape-parts.js';
import { duration, flag, issueMessage, someTexts, text, texts, textsByName, wait, waitOrOff, whole } from './shape-values.js';

/** Server names are typed, completed and used in file names: letters, digits, dot, dash and underscore. */
export const serverName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

const timeouts = z.object({ connect: wait, initialize: wait, list: wait, call: wait, idle: wait });
const health = z.object({ interval: waitOrOff, timeout: wait });
const stop = z.object({
  grace: z.optional(duration({ minMs: 0, maxMs: limits.stopGraceMs })),
  command: someTexts,
});
const tools = z.object({ include: texts, exclude: texts });

const transport = z.enum(['stdio', 'http', 'sse', 'auto', 'streamable-http', 'streamableHttp']);

/** What most servers have; the rest is in `serverParts`. */
const server = z.object({
  command: text,
  args: texts,
  env: textsByName,
  cwd: text,
  inheritEnv: flag,
  url: text,
  headers: textsByName,
  ca: text,
  type: z.optional(transport),
  transport: z.optional(transport),
  protocol: z.optional(z.enum(['auto', 'legacy', 'modern'])),
  enabled: flag,
  timeouts: z.optional(timeouts),
  health: z.optional(health),
  stop: z.optional(stop),
  tools: z.optional(tools),
  maxMessageBytes: whole(1024, limits.maxMessageBytes),
});

const fileDefaults = z.object({ timeouts: z.optional(timeouts), health: z.optional(health) });

const file = z.object({
  mcpServers: z.optional(z.record(z.string(), server)),
  defaults: z.optional(fileDefaults),
  startConcurrency: whole(1, 1000),
});

/** Each object with keys of its own: the keys that are always looked at, and the parts that are looked at when they are there. */
export const shapes = {
  file: { base: file, parts: fileParts as Parts },
  defaults: { base: fileDefaults, parts: defaultsParts as Parts },
  server: { base: server, parts: serverParts as Parts },
} as const;

/** One server as its file says it: durations in milliseconds, variables not yet expanded. */
export type ServerEntry = z.infer<typeof server> & PartsOf<typeof serverParts>;
export type FileDefaults = z.infer<typeof fileDefaults> & PartsOf<typeof defaultsParts>;
export type FileContent = Omit<z.infer<typeof file>, 'mcpServers' | 'defaults'> &
  PartsOf<typeof fileParts> & {
    readonly mcpServers?: Record<string, ServerEntry> | undefined;
    readonly defaults?: FileDefaults | undefined;
  };

type Issue = { readonly path: (string | number)[]; readonly message: string; readonly key?: boolean };

/** Checks a parsed file. Every issue is told, each at its place; `content` is there only when there is none. */
export function checkShape(document: ConfigDocument): { content?: FileContent; issues: readonly Issue[] } {
  // Compiled checks pay from the hundredth file on; a command reads one or two.
  const result = file.safeParse(document.value, { jitless: true });
  const issues = result.success ? [] : issuesOf(result.error.issues, [], document);
  const content: FileContent = result.data ?? {};
  checkParts(document, [], fileParts, content, issues);
  checkParts(document, ['defaults'], defaultsParts, content.defaults, issues);
  const servers = document.at(['mcpServers']);
  if (isObject(servers)) {
    for (const [name, entry] of Object.entries(servers)) {
      issues.push(...nameIssues(name));
      if (!isObject(entry)) continue;
      issues.push(...kindIssues(name, entry));
      const known = content.mcpServers?.[name];
      checkParts(document, ['mcpServers', name], serverParts, known, issues);
    }
  }
  return result.success && issues.length === 0 ? { content, issues } : { issues };
}

/** Checks the parts that are there; what is good goes into `target`. */
function checkParts(document: ConfigDocument, path: string[], parts: Parts, target: object | undefined, issues: Issue[]): void {
  const value = document.at(path);
  if (!isObject(value)) return;
  for (const key of Object.keys(value)) {
    const part = Object.hasOwn(parts, key) ? parts[key] : undefined;
    // Other programs write "trust": true or false for something that mcpctl does not do.
    if (!part || (key === 'trust' && typeof value[key] === 'boolean')) continue;
    const result = part.schema().safeParse(value[key], { jitless: true });
    if (!result.success) issues.push(...issuesOf(result.error.issues, [...path, key], document));
    else {
      for (const issue of part.check?.(result.data) ?? []) issues.push({ ...issue, path: [...path, key, ...issue.path] });
      if (target) (target as Record<string, unknown>)[key] = result.data;
    }
  }
}

function issuesOf(found: readonly z.core.$ZodIssue[], base: string[], document: ConfigDocument): Issue[] {
  return found.map((issue) => {
    const path = [...base, ...issue.path.map((key) => (typeof key === 'symbol' ? String(key) : key))];
    return { path, message: issueMessage(issue, document.at(path)) };
  });
}

function nameIssues(name: string): Issue[] {
  if (serverName.test(name)) return [];
  const rule = 'a server name has 1 to 64 letters, digits, ".", "_" or "-" and starts with a letter or digit';
  return [{ path: ['mcpServers', name], key: true, message: `${rule}; got ${JSON.stringify(name.slice(0, 80))}` }];
}

/** A server is a program, an address or several addresses, and its type fits. */
function kindIssues(name: string, entry: { [key: string]: JsonValue }): Issue[] {
  const at = (key: string, message: string): Issue => ({ path: ['mcpServers', name, key], key: true, message });
  const hasCommand = Object.hasOwn(entry, 'command');
  const hasEndpoints = Object.hasOwn(entry, 'endpoints');
  const hasUrl = Object.hasOwn(entry, 'url') || hasEndpoints;
  if (hasCommand && hasUrl) {
    const other = hasEndpoints ? 'endpoints' : 'url';
    return [at(other, `"command" and "${other}" exclude each other: a server is a program or an address`)];
  }
  if (hasEndpoints && Object.hasOwn(entry, 'url')) {
    return [at('endpoints', '"url" and "endpoints" exclude each other: put the address into "endpoints"')];
  }
  if (!hasCommand && !hasUrl) {
    return [{ path: ['mcpServers', name], key: true, message: 'needs "command" (a program) or "url" (an address)' }];
  }
  const issues: Issue[] = [];
  const types = (['type', 'transport'] as const).filter((key) => typeof entry[key] === 'string');
  for (const key of types) {
    const isStdio = entry[key] === 'stdio';
    const address = hasEndpoints ? 'endpoints' : 'url';
    if (isStdio && hasUrl) issues.push(at(key, `"stdio" needs "command", but this server has "${address}"`));
    if (!isStdio && hasCommand && entry[key] !== 'auto')
      issues.push(at(key, `"${entry[key]}" needs "url", but this server has "command"`));
  }
  if (types.length === 2 && normalType(entry.type as Transport) !== normalType(entry.transport as Transport)) {
    issues.push(at('transport', '"type" and "transport" mean the same and differ here; keep one'));
  }
  return issues;
}

type Transport = z.infer<typeof transport>;

/** The transport under its one name here. */
export function normalType(type: Transport): 'stdio' | 'http' | 'sse' | 'auto' {
  return type === 'streamable-http' || type === 'streamableHttp' ? 'http' : type;
}

export function isObject(value: unknown): value is { [key: string]: JsonValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
