/** The shape of a configuration file: which keys there are, of which type, within which bounds. */
import * as z from 'zod/mini';
import { formatDuration, parseDuration } from '../core/duration.js';
import type { JsoncDocument, JsonValue } from './document.js';
import { limits } from './schema.js';

/** Server names are typed, completed and used in file names: letters, digits, dot, dash and underscore. */
const serverName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** A string with a unit, read as milliseconds. */
const duration = (bounds: { minMs: number; maxMs: number }) =>
  z.pipe(
    z.unknown(),
    z.transform((input, context): number => {
      const fail = (message: string) => {
        context.issues.push({ code: 'custom', message, input });
        return z.NEVER;
      };
      if (typeof input === 'number')
        return fail(`a duration needs a unit: write "${input}ms" or "${input}s" instead of ${input}`);
      if (typeof input !== 'string') return fail(`expected a duration such as "30s", got ${typeName(input)}`);
      const ms = parseDuration(input);
      if (ms === undefined)
        return fail(`expected a duration such as "500ms", "30s", "10m" or "24h", got ${JSON.stringify(input)}`);
      if (ms < bounds.minMs) return fail(`must be at least ${formatDuration(bounds.minMs)}, got ${JSON.stringify(input)}`);
      if (ms > bounds.maxMs) return fail(`must be at most ${formatDuration(bounds.maxMs)}, got ${JSON.stringify(input)}`);
      return ms;
    }),
  );

const waitDuration = z.optional(duration({ minMs: 1, maxMs: limits.durationMs }));

const timeouts = z.object({ connect: waitDuration, initialize: waitDuration, list: waitDuration, call: waitDuration });
const health = z.object({ interval: waitDuration, timeout: waitDuration });
const cache = z.object({ enabled: z.optional(z.boolean()), ttl: waitDuration });
const stop = z.object({
  grace: z.optional(duration({ minMs: 0, maxMs: limits.stopGraceMs })),
  command: z.optional(z.array(z.string()).check(z.minLength(1))),
});
const tools = z.object({ include: z.optional(z.array(z.string())), exclude: z.optional(z.array(z.string())) });

const transport = z.enum(['stdio', 'http', 'sse', 'auto', 'streamable-http', 'streamableHttp']);
const strings = z.record(z.string(), z.string());

const server = z.object({
  command: z.optional(z.string().check(z.minLength(1))),
  args: z.optional(z.array(z.string())),
  env: z.optional(strings),
  cwd: z.optional(z.string().check(z.minLength(1))),
  inheritEnv: z.optional(z.boolean()),
  url: z.optional(z.string().check(z.minLength(1))),
  headers: z.optional(strings),
  ca: z.optional(z.string().check(z.minLength(1))),
  type: z.optional(transport),
  transport: z.optional(transport),
  protocol: z.optional(z.enum(['auto', 'legacy', 'modern'])),
  enabled: z.optional(z.boolean()),
  timeouts: z.optional(timeouts),
  health: z.optional(health),
  cache: z.optional(cache),
  stop: z.optional(stop),
  tools: z.optional(tools),
  maxMessageBytes: z.optional(z.int().check(z.minimum(1024), z.maximum(limits.maxMessageBytes))),
});

const fileDefaults = z.object({ timeouts: z.optional(timeouts), health: z.optional(health), cache: z.optional(cache) });

const file = z.object({
  mcpServers: z.optional(z.record(z.string(), server)),
  defaults: z.optional(fileDefaults),
  startConcurrency: z.optional(z.int().check(z.minimum(1), z.maximum(1000))),
});

/** One server as its file says it: durations in milliseconds, variables not yet expanded. */
export type ServerEntry = z.infer<typeof server>;
export type FileDefaults = z.infer<typeof fileDefaults>;
export type FileContent = z.infer<typeof file>;

/** The keys of each kind of object, for warnings about the others and for the documentation test. */
export const knownKeys = {
  file: Object.keys(file.shape),
  defaults: Object.keys(fileDefaults.shape),
  server: Object.keys(server.shape),
  timeouts: Object.keys(timeouts.shape),
  health: Object.keys(health.shape),
  cache: Object.keys(cache.shape),
  stop: Object.keys(stop.shape),
  tools: Object.keys(tools.shape),
} as const;

type Issue = { readonly path: (string | number)[]; readonly message: string; readonly key?: boolean };

/** Checks a parsed file. Every issue is told, each at its place; `content` is there only when there is none. */
export function checkShape(document: JsoncDocument): { content?: FileContent; issues: readonly Issue[] } {
  // Compiled checks pay from the hundredth file on; a command reads one or two.
  const result = file.safeParse(document.value, { jitless: true });
  const issues: Issue[] = [];
  if (!result.success) {
    for (const issue of result.error.issues) {
      const path = issue.path.map((key) => (typeof key === 'symbol' ? String(key) : key));
      issues.push({ path, message: issueMessage(issue, document.at(path)) });
    }
  }
  const servers = document.at(['mcpServers']);
  if (isObject(servers)) {
    for (const [name, entry] of Object.entries(servers))
      issues.push(...nameIssues(name), ...(isObject(entry) ? kindIssues(name, entry) : []));
  }
  return result.success && issues.length === 0 ? { content: result.data, issues } : { issues };
}

function nameIssues(name: string): Issue[] {
  if (serverName.test(name)) return [];
  const rule = 'a server name has 1 to 64 letters, digits, ".", "_" or "-" and starts with a letter or digit';
  return [{ path: ['mcpServers', name], key: true, message: `${rule}; got ${JSON.stringify(name.slice(0, 80))}` }];
}

/** A server is a program or an address, and its type fits. */
function kindIssues(name: string, entry: { [key: string]: JsonValue }): Issue[] {
  const at = (key: string, message: string): Issue => ({ path: ['mcpServers', name, key], key: true, message });
  const hasCommand = Object.hasOwn(entry, 'command');
  const hasUrl = Object.hasOwn(entry, 'url');
  if (hasCommand && hasUrl) return [at('url', '"command" and "url" exclude each other: a server is a program or an address')];
  if (!hasCommand && !hasUrl) {
    return [{ path: ['mcpServers', name], key: true, message: 'needs "command" (a program) or "url" (an address)' }];
  }
  const issues: Issue[] = [];
  const types = (['type', 'transport'] as const).filter((key) => typeof entry[key] === 'string');
  for (const key of types) {
    const isStdio = entry[key] === 'stdio';
    if (isStdio && hasUrl) issues.push(at(key, `"stdio" needs "command", but this server has "url"`));
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

function issueMessage(issue: z.core.$ZodIssue, input: JsonValue | undefined): string {
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${article(issue.expected)}, got ${typeName(input)}`;
    case 'invalid_value':
      return `expected ${issue.values.map((value) => JSON.stringify(value)).join(', ')}, got ${briefly(input)}`;
    case 'too_small':
      return issue.origin === 'string' || issue.origin === 'array'
        ? 'must not be empty'
        : `must be at least ${issue.minimum}, got ${briefly(input)}`;
    case 'too_big':
      return `must be at most ${issue.maximum}, got ${briefly(input)}`;
    default:
      return issue.message;
  }
}

function article(expected: string): string {
  if (expected === 'record') return 'object';
  return expected === 'int' ? 'whole number' : expected;
}

function briefly(value: unknown): string {
  if (typeof value === 'string' || typeof value === 'number') return JSON.stringify(value).slice(0, 80);
  return typeName(value);
}

function typeName(value: unknown): string {
  if (value === null) return 'null';
  if (value === undefined) return 'nothing';
  return Array.isArray(value) ? 'array' : typeof value;
}

export function isObject(value: unknown): value is { [key: string]: JsonValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
