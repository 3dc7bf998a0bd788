/** The commands, or one of them in detail: the same text for `help`, `--help`, `/help` and docs/cli.md. */

import type { CommandSpec, FlagSpec } from './command.js';
import { globalFlags } from './global-flags.js';

export interface HelpData {
  readonly command: string | null;
  readonly help: string;
}

/** Help for one command, or the overview of all that can be typed at this front. */
export function explain(topic: CommandSpec | undefined, registry: readonly CommandSpec[], front: 'shell' | 'repl'): HelpData {
  return topic ? { command: topic.name, help: detail(topic) } : { command: null, help: overview(registry, front) };
}

function overview(registry: readonly CommandSpec[], front: 'shell' | 'repl'): string {
  const usable = registry.filter(({ scope }) => front === 'repl' || scope !== 'repl');
  const start =
    front === 'shell'
      ? [
          'mcpctl: the control plane for your MCP servers',
          '',
          'USAGE',
          '  mcpctl                      open the REPL',
          '  mcpctl <command> [...]      run one command',
          '  mcpctl < script             run one command a line',
          '',
        ]
      : [];
  return [
    ...start,
    'COMMANDS',
    ...aligned(usable.map((spec) => [usageOf(spec), spec.summary])),
    '',
    ...(front === 'shell' ? ['FLAGS FOR EVERY COMMAND', ...flagLines(globalFlags), ''] : []),
    front === 'shell'
      ? 'mcpctl help <command> tells more.'
      : '/help <command> tells more. /mcp status, /status and status are the same.',
  ].join('\n');
}

/** The full text about one command. */
export function detail(spec: CommandSpec): string {
  const lines = [`${spec.name}: ${spec.summary}`, '', 'USAGE', `  ${spec.scope === 'repl' ? '/' : 'mcpctl '}${usageOf(spec)}`];
  if (spec.aliases?.length) lines.push(`  also: ${spec.aliases.join(', ')}`);
  if (spec.description) lines.push('', spec.description);
  if (spec.positionals.length > 0)
    lines.push('', 'ARGUMENTS', ...aligned(spec.positionals.map(({ name, summary }) => [name, summary])));
  if (spec.flags.length > 0) lines.push('', 'FLAGS', ...flagLines(spec.flags));
  lines.push('', 'EXAMPLES', ...spec.examples.map((example) => `  ${example.startsWith('/') ? '' : 'mcpctl '}${example}`));
  return lines.join('\n');
}

/** `tools [server] [--match <glob>]`; flags come first where the words behind them are taken as they are. */
export function usageOf({ name, positionals, flags }: CommandSpec): string {
  const words = positionals.map(({ name: word, required, variadic, choices, rest }) => {
    if (rest) return `[--] <${word}...>`;
    const inner = `${choices ? choices.join('|') : word}${variadic ? '...' : ''}`;
    return required ? `<${inner}>` : `[${inner}]`;
  });
  const switches = flags.map((flag) => `[--${flag.name}${flag.value ? ` <${flag.value}>` : ''}]${flag.repeatable ? '...' : ''}`);
  const isRest = positionals.some(({ rest }) => rest);
  return [name, ...(isRest ? [...switches, ...words] : [...words, ...switches])].join(' ');
}

function flagLines(flags: readonly FlagSpec[]): string[] {
  return aligned(
    flags.map(({ name, short, value, summary }) => [
      `${short ? `-${short}, ` : ''}--${name}${value ? ` <${value}>` : ''}`,
      summary,
    ]),
  );
}

function aligned(pairs: readonly (readonly [string, string])[]): string[] {
  const width = Math.min(34, Math.max(...pairs.map(([left]) => left.length)));
  return pairs.map(([left, right]) =>
    left.length > width ? `  ${left}\n  ${' '.repeat(width)}  ${right}` : `  ${left.padEnd(width)}  ${right}`,
  );
}
