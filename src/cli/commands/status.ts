/** `status`: every server, its state, and why it is not connected. */

import * as z from 'zod/mini';
import { formatDuration } from '../../core/duration.js';
import { McpctlError } from '../../core/errors.js';
import type { Manager, ServerStatus } from '../../manager/manager.js';
import type { ManagerEvent } from '../../manager/server-status.js';
import { timeOfDay } from '../breaker-news.js';
import type { CommandContext, Run, Text } from '../command.js';
import { paint, table } from '../render.js';
import { hueOf, marks } from '../status-look.js';

export const args = z.object({
  servers: z._default(z.array(z.string()), []),
  check: z._default(z.boolean(), false),
  noConnect: z._default(z.boolean(), false),
  watch: z._default(z.boolean(), false),
  timeout: z.optional(z.number()),
});

export interface StatusData {
  readonly servers: readonly ServerStatus[];
  readonly counts: Readonly<Record<string, number>>;
}

/** How long a one-shot waits for servers to settle, in milliseconds. */
const settleMs = 15_000;

export const run: Run<typeof args, StatusData> = (input, context) => (input.watch ? watch(input, context) : once(input, context));

async function once(input: z.infer<typeof args>, { manager, signal, atPrompt }: CommandContext) {
  await manager.remembered();
  const names = input.servers.length > 0 ? [...new Set(input.servers)] : manager.names();
  manager.snapshot(names);
  if (!input.noConnect && !atPrompt) {
    const unsettled = manager.longLived ? names.filter((name) => isComingUp(manager, name)) : names;
    await manager.connectAll(unsettled, signal, input.timeout ?? settleMs);
  }
  const data = summary(manager, names);
  const error = input.check ? verdict(data.servers) : undefined;
  return error ? { data, error } : { data };
}

/** A manager that stays connects by itself: what is waited for is only what is under way. */
function isComingUp(manager: Manager, name: string): boolean {
  const [server] = manager.snapshot([name]);
  return server?.status === 'connecting' || (server?.status === 'connected' && server.tools === null);
}

/** Yields at once, then at every change of state, of a tool list or of the configuration. */
async function* watch(input: z.infer<typeof args>, { manager, signal }: CommandContext): AsyncGenerator<StatusData> {
  const names = () => (input.servers.length > 0 ? input.servers : manager.names());
  await manager.remembered();
  manager.snapshot(names());
  if (!manager.longLived && !input.noConnect) void manager.connectAll(names(), signal).catch(() => {});
  let wake = () => {};
  let isChanged = true;
  const changed = () => {
    isChanged = true;
    wake();
  };
  using _ = manager.events.onAny(({ type }) => {
    if (redrawnFor.has(type)) changed();
  });
  signal.addEventListener('abort', changed, { once: true });
  while (!signal.aborted) {
    isChanged = false;
    yield summary(manager, names());
    if (!isChanged) await new Promise<void>((resolve) => (wake = resolve));
  }
  signal.throwIfAborted();
}

const redrawnFor: ReadonlySet<string> = new Set<ManagerEvent['type']>([
  'server-state',
  'tools-changed',
  'health-checked',
  'breaker-changed',
  'config-changed',
]);

function summary(manager: Manager, names: readonly string[]): StatusData {
  const servers = manager.snapshot(names);
  const counts: Record<string, number> = {};
  for (const { status } of servers) counts[status] = (counts[status] ?? 0) + 1;
  return { servers, counts };
}

/** The error of `--check`: nothing when every enabled server is connected. */
function verdict(servers: readonly ServerStatus[]): McpctlError | undefined {
  const missing = servers.filter(({ enabled, status }) => enabled && status !== 'connected');
  if (missing.length === 0) return undefined;
  const names = missing.map(({ name, status }) => `${name} (${status})`).join(', ');
  const all = (status: ServerStatus['status']) => missing.every((server) => server.status === status);
  const code = all('untrusted') ? 'UNTRUSTED' : all('needs-auth') ? 'AUTH_REQUIRED' : 'UNAVAILABLE';
  const hint = missing[0]?.lastError?.hint ?? `mcpctl reconnect ${missing[0]!.name}`;
  return new McpctlError(code, `Not connected: ${names}`, { hint });
}

/** These say why instead of what they are. */
const explained: ReadonlySet<string> = new Set<ServerStatus['status']>(['error', 'needs-auth', 'untrusted']);

export const text: Text<StatusData> = ({ servers, counts }, options) => {
  if (servers.length === 0) return 'No servers are configured. Add one: mcpctl add <name> <command or URL>';
  const chalk = paint(options.color);
  const inHue = (status: ServerStatus['status'], text: string) => hueOf(status, chalk)(text);
  const rows = servers.flatMap((server) => [
    [
      `${inHue(server.status, marks[server.status])} ${server.name}`,
      inHue(server.status, server.status) + chalk.yellow(troubleOf(server)),
      server.tools === null ? '-' : String(server.tools),
      server.latencyMs ? formatDuration(server.latencyMs.p50) : '-',
      server.transport,
      noteOn(server),
    ],
    ...server.endpoints.map(({ status, breaker, target, leftOut }) => [
      `  ${inHue(status, marks[status])}`,
      inHue(status, status) + chalk.yellow(circuitOf(breaker)),
      '',
      '',
      '',
      leftOut === null ? target : `${target} gets no calls: ${leftOut}`,
    ]),
  ]);
  const head = [
    { head: 'SERVER' },
    { head: 'STATUS' },
    { head: 'TOOLS', align: 'right' as const },
    { head: 'LATENCY', align: 'right' as const },
    { head: 'VIA' },
    { head: '', flexible: true },
  ];
  const tally = Object.entries(counts).map(([status, count]) => `${count} ${status}`);
  return [table(head, rows, options), '', tally.join(' · '), ...hintLines(servers).map((line) => chalk.dim(`  ${line}`))].join(
    '\n',
  );
};

/** What to do about the servers that need something; servers with one trouble share a line. */
function hintLines(servers: readonly ServerStatus[]): string[] {
  const names = new Map<string, string[]>();
  for (const { status, lastError, name } of servers) {
    if (!lastError?.hint || !explained.has(status)) continue;
    names.set(lastError.hint, [...(names.get(lastError.hint) ?? []), name]);
  }
  return [...names].map(([hint, those]) => {
    const more = those.length > 3 ? ` and ${those.length - 3} more` : '';
    return `${those.slice(0, 3).join(', ')}${more}: ${hint}`;
  });
}

/** What its name of a state does not say. */
function troubleOf({ breaker, health }: ServerStatus): string {
  return circuitOf(breaker) || (health === 'degraded' ? ' (degraded)' : '');
}

function circuitOf({ state }: Pick<ServerStatus['breaker'], 'state'>): string {
  return state === 'closed' ? '' : ` (circuit ${state})`;
}

function noteOn({ status, lastError, retryAt, target, attempt, breaker }: ServerStatus): string {
  const { openUntil } = breaker;
  if (!explained.has(status)) return openUntil === null ? target : `no calls until ${timeOfDay(openUntil)}; ${target}`;
  const retry = retryAt ? `; try ${attempt + 1} at ${retryAt.slice(11, 19)} UTC` : '';
  return `${lastError?.message ?? ''}${retry}`.replace(/\s+/g, ' ');
}
