/** docs/cli.md as text, made of what the program itself reads: the registry, the flags, and the error codes. */

/** What each exit code means and what to do; a code without a line here stops the script. */
const meanings = {
  1: 'a bug in mcpctl',
  2: 'the command is wrong',
  3: 'log in, or the login failed',
  4: 'no usable answer came',
  5: 'the server answered, and said no',
  6: 'a deadline passed',
  7: 'refused at once, on purpose',
  8: 'the call may or may not have run; it was not repeated',
  9: 'fix or approve the configuration',
};

/** @param parts `{registry, globalFlags, exitCodes, signalExitCodes, usageOf, detail}` of the sources */
export function cliPage(parts) {
  const { registry } = parts;
  const ofShell = registry.filter(({ scope }) => scope !== 'repl');
  const ofRepl = registry.filter(({ scope }) => scope === 'repl');
  return `${[
    '# Commands',
    '<!-- Made by `npm run docs` from src/cli/registry.ts, src/cli/parse.ts and src/core/errors.ts. Edit those. -->',
    starting,
    '## Flags for every command\n\nBefore or after the command.',
    flagTable(parts.globalFlags),
    durations,
    '## Overview',
    table(
      ['command', 'also', 'what it does'],
      ofShell.map((spec) => [
        `[\`${spec.name}\`](#${spec.name})`,
        (spec.aliases ?? []).map(code).join(', '),
        escaped(spec.summary),
      ]),
    ),
    ...ofShell.map((spec) => section(spec, parts)),
    '## In the REPL only',
    replNote,
    table(
      ['command', 'also', 'what it does'],
      ofRepl.map((spec) => [
        `\`/${spec.name}\``,
        (spec.aliases ?? []).map((alias) => code(`/${alias}`)).join(', '),
        escaped(spec.summary),
      ]),
    ),
    '## Output',
    output,
    '## Exit codes',
    exitTable(parts),
  ].join('\n\n')}\n`;
}

const starting = `| you type | you get |
|---|---|
| \`mcpctl\` on a terminal | the REPL: a prompt at once, servers connect behind it |
| \`mcpctl < script\` | batch: one command a line, \`#\` starts a comment; stops at the first failure unless \`--keep-going\` |
| \`mcpctl <command> …\` | one command: run it, print, exit |
| \`mcpctl up\` · \`mcpctl down\` | a manager in the background that carries out all of these, and its end |`;

const durations =
  'A duration is a number with a unit: `500ms`, `30s`, `10m`, `24h`. A bare number is an error that shows what to write.\n' +
  '`MCPCTL_JSON=1` in the environment is `--json` for every command, `MCPCTL_NO_ATTACH=1` is `--no-attach`, `NO_COLOR` is `--no-color`.';

const replNote = 'In the REPL `/mcp status`, `/status` and `status` are the same. These exist there and nowhere else:';

const output = `stdout carries the result and nothing else. Notes, progress and errors go to stderr.
With \`--json\` stdout is one JSON document (one a line for live views), and an error is one JSON document on stderr:

\`\`\`json
{ "error": { "code": "UNKNOWN_SERVER", "message": "There is no server \\"githb\\"", "hint": "did you mean \\"github\\"?", "details": {} } }
\`\`\`

Without it an error is two lines, \`error: <what happened>\` and \`hint: <what to do>\`.
When a tool itself reports a failure, what it said is on stdout and the error on stderr.

What \`status\` says of a server; with \`--json\` it is \`status\`, beside \`source\` (\`user\`, \`project\` or \`flag\`) and \`lastError\`:

| status | meaning |
|---|---|
| \`connected\` | initialised, and the last check was answered or is still to come |
| \`connecting\` | an attempt runs |
| \`error\` | the last attempt failed; \`retryAt\` says when the next one comes, \`null\` that it waits for \`reconnect\` |
| \`disconnected\` | no attempt was made or is wanted |
| \`needs-auth\` | it wants a login |
| \`untrusted\` | it is a server of a project file and waits for [\`trust approve\`](#trust) |
| \`disabled\` | switched off; [\`enable\`](#enable) |`;

function section(spec, { usageOf }) {
  const parts = [`## ${spec.name}`, `${escaped(spec.summary)}.`, fence(`mcpctl ${usageOf(spec)}`)];
  if (spec.aliases?.length) parts.push(`Also: ${spec.aliases.map(code).join(', ')}.`);
  if (spec.description) parts.push(...spec.description.split('\n').map(escaped));
  if (spec.positionals.length > 0) {
    const rows = spec.positionals.map(({ name, summary, required, variadic }) => [
      `\`${name}\`${variadic ? ' …' : ''}`,
      `${escaped(summary)}${required ? '' : ' (optional)'}`,
    ]);
    parts.push(table(['argument', 'meaning'], rows));
  }
  if (spec.flags.length > 0) parts.push(flagTable(spec.flags));
  parts.push(fence(spec.examples.map((example) => `mcpctl ${example}`).join('\n')));
  return parts.join('\n\n');
}

function flagTable(flags) {
  return table(
    ['flag', 'meaning'],
    flags.map(({ name, short, value, summary }) => [
      `\`${short ? `-${short}, ` : ''}--${name}${value ? ` <${value}>` : ''}\``.replaceAll('|', '\\|'),
      escaped(summary),
    ]),
  );
}

function exitTable({ exitCodes, signalExitCodes }) {
  const byExit = new Map();
  for (const [name, exit] of Object.entries(exitCodes)) {
    if (name !== 'CANCELLED') byExit.set(exit, [...(byExit.get(exit) ?? []), code(name)]);
  }
  const rows = [...byExit]
    .sort(([a], [b]) => a - b)
    .map(([exit, names]) => {
      if (!(exit in meanings)) throw new Error(`scripts/lib/cli-page.mjs: what does exit code ${exit} mean?`);
      return [String(exit), names.join(', '), meanings[exit]];
    });
  const signals = Object.entries(signalExitCodes);
  return table(
    ['exit', 'error codes', 'meaning'],
    [
      ['0', '', 'done'],
      ...rows,
      [signals.map(([, exit]) => exit).join(' / '), code('CANCELLED'), `ended by ${signals.map(([name]) => name).join(' / ')}`],
    ],
  );
}

function table(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`.replaceAll('|  |', '| |');
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}

const code = (text) => `\`${text}\``;
const fence = (text) => `\`\`\`sh\n${text}\n\`\`\``;

/** `<` and `|` mean something in a table of Markdown; flags in running text are set as code. */
function escaped(text) {
  return text.replaceAll('|', '\\|').replace(/(?<![\w`-])(--[a-z][a-z-]*(?: <[^>]+>)?|key:?=@?[a-z]*)/g, '`$1`');
}
