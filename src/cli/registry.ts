/** What one can type: every command, as data. Help, completion, the docs, the REPL and one-shot runs all read this list. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables as users type them in examples

import type { CommandSpec, FlagSpec, PositionalSpec } from './command.js';

const servers: PositionalSpec = { name: 'servers', summary: 'Names of servers', variadic: true, complete: 'server' };
const timeoutFlag = (summary: string): FlagSpec => ({ name: 'timeout', value: 'duration', summary });

export const registry: readonly CommandSpec[] = [
  {
    name: 'status',
    aliases: ['list'],
    summary: 'Show every server: state, tools, latency, last error',
    description:
      'In one shot this connects every enabled server and waits until each has settled or --timeout has passed; what is unfinished then is shown as connecting. A manager that stays waits for those that are connecting. At the prompt of the REPL it answers at once.\nWith --check the exit code tells: 0 all connected, 9 only approvals are missing, 3 only logins are missing, 4 something else is wrong.',
    examples: ['status', 'status github --json', 'status --check', 'status --no-connect'],
    positionals: [servers],
    flags: [
      { name: 'check', summary: 'Exit with 3, 4 or 9 when an enabled server is not connected' },
      { name: 'no-connect', summary: 'Show what is known without connecting' },
      { name: 'watch', short: 'w', summary: 'Print again at every change (NDJSON with --json)' },
      timeoutFlag('How long to wait for servers to settle (default 15s)'),
    ],
    load: () => import('./commands/status.js'),
  },
  {
    name: 'servers',
    aliases: ['ls'],
    summary: 'List the configured servers; never connects',
    examples: ['servers', 'servers --json'],
    positionals: [],
    flags: [],
    load: () => import('./commands/servers.js'),
  },
  {
    name: 'tools',
    summary: 'List tools, of one server or of all',
    description:
      'Lists come from memory while they are fresh (5 minutes); --refresh asks the servers again. --cost estimates what each definition costs a model in tokens (a quarter of its characters).',
    examples: ['tools', 'tools github --match "create_*"', 'tools --cost', 'tools github --schema'],
    positionals: [{ name: 'server', summary: 'Name of a server', complete: 'server' }],
    flags: [
      { name: 'match', value: 'glob', summary: 'Only tools whose name matches' },
      { name: 'refresh', summary: 'Ask the servers again' },
      { name: 'schema', summary: 'Show the input schemas' },
      { name: 'cost', summary: 'Show bytes and estimated tokens of each definition' },
    ],
    load: () => import('./commands/tools.js'),
  },
  {
    name: 'tool',
    summary: 'Show one tool: signature, schema, annotations, a call to paste',
    examples: ['tool github/create_issue', 'tool github create_issue --json'],
    positionals: [
      {
        name: 'tool',
        summary: 'server/tool, or a tool name that only one server has',
        required: true,
        variadic: true,
        complete: 'tool',
      },
    ],
    flags: [{ name: 'refresh', summary: 'Ask the server again' }],
    load: () => import('./commands/tool.js'),
  },
  {
    name: 'call',
    summary: 'Call a tool',
    description:
      'key=value is text unless the schema asks for a number, integer, boolean or null; a repeated key makes an array where the schema has one. key:=json is raw JSON, key=@file the text of a file. --args takes a whole JSON object, @file or - for stdin. The input is checked against the schema before anything is sent.\nA tool that reports an error prints its payload and exits with 5.\nA call that fails before it reached the server is tried again by itself. One whose answer was lost is not, because it may have run: that exits with 8.',
    examples: [
      'call everything/echo message=hi',
      'call github create_issue title="Bug" labels:=\'["p1"]\'',
      'call files/write_file path=a.txt content=@notes.txt',
      'call github/create_issue --args @issue.json --timeout 2m',
    ],
    positionals: [
      { name: 'tool', summary: 'server/tool, or a tool name that only one server has', required: true, complete: 'tool' },
      { name: 'input', summary: 'key=value, key:=json, key=@file', variadic: true, complete: 'tool-argument' },
    ],
    flags: [
      { name: 'args', value: 'json|@file|-', summary: 'All arguments as one JSON object' },
      timeoutFlag('End the call after this long, counted from the moment the server is ready'),
      { name: 'retry-unsafe', summary: 'When the answer was lost, send it again although it may have run already' },
      { name: 'no-cache', summary: 'Ask the server although a result is kept (cache.results in the configuration)' },
    ],
    load: () => import('./commands/call.js'),
  },
  {
    name: 'ping',
    summary: 'Ask a server for a sign of life and show how long it took',
    examples: ['ping github'],
    positionals: [{ name: 'server', summary: 'Name of a server', required: true, complete: 'server' }],
    flags: [],
    load: () => import('./commands/ping.js'),
  },
  {
    name: 'enable',
    summary: 'Enable servers',
    description: 'In your own configuration file this edits "enabled"; for any other file it keeps an override of its own.',
    examples: ['enable github', 'enable github files --session'],
    positionals: [{ ...servers, required: true }],
    flags: [{ name: 'session', summary: 'For the running manager only; nothing is written' }],
    load: () => import('./commands/enable.js'),
  },
  {
    name: 'disable',
    summary: 'Disable servers: they are closed and not started again',
    examples: ['disable github', 'disable github --session'],
    positionals: [{ ...servers, required: true }],
    flags: [{ name: 'session', summary: 'For the running manager only; nothing is written' }],
    load: () => import('./commands/disable.js'),
  },
  {
    name: 'reconnect',
    summary: 'Close and connect again: one server, --all, or the --failed ones',
    description:
      'Resets the waiting time between attempts and a crash loop, and tries a server whose circuit breaker is open. Without a running manager it connects once and reports.',
    examples: ['reconnect github', 'reconnect --failed', 'reconnect --all'],
    positionals: [servers],
    flags: [
      { name: 'all', summary: 'Every enabled server' },
      { name: 'failed', summary: 'Every enabled server that is not connected' },
    ],
    load: () => import('./commands/reconnect.js'),
  },
  {
    name: 'breaker',
    summary: 'Show the circuit breaker of a server, or open, close or reset it',
    description:
      'A server that fails again and again gets no calls for a while: they end at once with CIRCUIT_OPEN. open keeps calls away until close or reset; close lets them through again; reset also forgets what was counted. Breakers of single tools are shown, closed and reset with that of their server.\nopen, close and reset need a manager that stays; without one, reconnect tries a server whose breaker is open.',
    examples: ['breaker github', 'breaker github --json', 'breaker github close'],
    positionals: [
      { name: 'server', summary: 'Name of a server', required: true, complete: 'server' },
      { name: 'action', summary: 'open, close or reset', choices: ['open', 'close', 'reset'] },
    ],
    flags: [],
    load: () => import('./commands/breaker.js'),
  },
  {
    name: 'cache',
    summary: 'Show what is kept of each server: lists, results, hits and misses; clear forgets it',
    description:
      'Connects to nothing. With a running manager (up, or an open REPL) these are its lists, results and counts; without one the lists that earlier commands left on disk. A stale list is still used to complete names, and asked for anew by the next who needs it.\nclear forgets lists and results, in memory and on disk; a manager then asks connected servers anew. docs/caching.md tells what is kept, and for how long.',
    examples: ['cache', 'cache --json', 'cache clear', 'cache clear github'],
    positionals: [
      { name: 'action', summary: 'clear; without it, show', choices: ['clear'] },
      { name: 'server', summary: 'Name of a server; without it, all', complete: 'server', after: ['clear'] },
    ],
    flags: [],
    load: () => import('./commands/cache.js'),
  },
  {
    name: 'metrics',
    summary: 'Show calls, errors and latencies of each server; for people, scripts or Prometheus',
    description:
      'With a running manager (up, or an open REPL) these are its figures since its start; without one what single commands added up today (UTC), in whole hours. P50, P95 and P99 are times that so many percent of the calls did not exceed, worked out from a histogram. With a server: why calls failed, and its tools.\n--since looks back in time: a manager knows the last 24h, single commands the last 8 days. --reset begins to count anew, after the figures have been shown; what Prometheus reads from a manager goes on. docs/metrics.md names every metric.',
    examples: ['metrics', 'metrics github', 'metrics --since 1h --json', 'metrics --format prometheus', 'metrics --reset'],
    positionals: [{ name: 'server', summary: 'Name of a server; without it, all', complete: 'server' }],
    flags: [
      { name: 'format', value: 'table|json|prometheus', summary: 'How to print them (default table)' },
      { name: 'since', value: 'duration', summary: 'Only the last 10m, 24h, …' },
      { name: 'reset', summary: 'Begin to count anew' },
    ],
    load: () => import('./commands/metrics.js'),
  },
  {
    name: 'health',
    summary: 'Tell whether the manager and its servers are well, and why not',
    description:
      'The same answer as /health of the HTTP endpoint. healthy: everything is as it should be; degraded: something is not; unhealthy: no server can be called, and the exit code is 4. Disabled servers are left out. Without a running manager it connects every enabled server once, and waits until each has settled or --timeout has passed.',
    examples: ['health', 'health --json'],
    positionals: [],
    flags: [timeoutFlag('How long to wait for servers to settle (default 15s)')],
    load: () => import('./commands/health.js'),
  },
  {
    name: 'up',
    summary: 'Start the manager in the background; later commands ask it instead of starting servers of their own',
    description:
      'There is one manager for each configuration (its folder, -c files, project). A second up finds it and changes nothing. It offers figures and health over HTTP, on 127.0.0.1:9090 unless metrics in the configuration says otherwise. With --foreground it stays in front, for a supervisor or a container.',
    examples: ['up', 'up --idle 30m', 'up --foreground'],
    positionals: [],
    flags: [
      { name: 'idle', value: 'duration', summary: 'End by itself when nobody has asked for so long' },
      { name: 'foreground', summary: 'Stay in front and say on stderr what happens' },
    ],
    host: true,
    load: () => import('./commands/up.js'),
  },
  {
    name: 'down',
    summary: 'End the manager in the background, and all of its servers',
    examples: ['down'],
    positionals: [],
    flags: [],
    host: true,
    load: () => import('./commands/down.js'),
  },
  {
    name: 'top',
    summary: 'Watch the servers live: state, calls, latency, errors, breaker, pool, login',
    description:
      'On a terminal it takes the whole screen: sort, select, reconnect, disable, read the log; ? shows the keys, q leaves. Elsewhere, and with TERM=dumb, it prints a block every --interval until Ctrl-C. Attached to a manager it shows what that one does; without one it starts the servers itself and keeps them connected while it is open. docs/observability.md shows it.',
    examples: ['top', 'top github files', 'top --interval 5s', 'top --json'],
    positionals: [servers],
    flags: [
      { name: 'interval', value: 'duration', summary: 'How often to look (default 1s, at least 200ms; NDJSON with --json)' },
    ],
    stays: true,
    load: () => import('./commands/top.js'),
  },
  {
    name: 'logs',
    summary: 'Show what a server wrote to stderr and as log messages, and what happened to it; alone: what mcpctl did',
    description:
      'Reads the log of the server, or that of mcpctl itself, with or without a running manager, and connects to nothing. Log messages of the protocol begin with their level; lines of mcpctl itself are marked; secrets are masked. A log holds about 20 MiB: the file that is written and three older ones beside it.\nWith --since all lines from then on, otherwise the last 50. --follow goes on with every new line until Ctrl-C; of a server it needs a manager that stays. Each call has a name, which --verbose, errors with --json and the log of mcpctl show: --call finds its lines there. docs/logs.md tells what is kept.',
    examples: [
      'logs github',
      'logs github -n 200',
      'logs github --since 10m --json',
      'logs github --follow',
      'logs',
      'logs --call k3zq7ax2mvpd',
    ],
    positionals: [{ name: 'server', summary: 'Name of a server; without it, mcpctl itself', complete: 'server' }],
    flags: [
      { name: 'tail', short: 'n', value: 'lines', summary: 'How many of the last lines; 0 for none, or all (default 50)' },
      { name: 'since', value: 'duration', summary: 'Only lines of the last 10m, 24h, …' },
      { name: 'follow', short: 'f', summary: 'Go on with every new line (NDJSON with --json)' },
      { name: 'call', value: 'id', summary: 'Only what mcpctl wrote about this call' },
    ],
    load: () => import('./commands/logs.js'),
  },
  {
    name: 'doctor',
    summary: 'Find out what is wrong: with one server or all, and with this machine',
    description:
      'Goes from the configuration over environment, approval, program or network, certificate, proxy, login and token to the list of tools, and says of each step how long it took, what was found and what to do. A step that failed skips those that need it. It registers nothing, opens no browser and ends no process; a program that is not running is started and stopped again.\nExits with the code of the first failed step. docs/doctor.md lists the machine codes.',
    examples: ['doctor', 'doctor github', 'doctor github --json'],
    positionals: [{ name: 'server', summary: 'Name of a server; without it, all', complete: 'server' }],
    flags: [],
    load: () => import('./commands/doctor.js'),
  },
  {
    name: 'auth',
    summary: 'Log in to a server over HTTP; alone: show the login of each, and where tokens are kept',
    description:
      'Opens the browser and waits for it to come back, or for the address that it ends at to be pasted. No other command ever opens a browser. Where no browser can come back: --no-browser shows the address, --device shows a short code to type into a browser anywhere. --start prints what to open and ends at once, with 3; --complete finishes that from any shell within 10 minutes. An account of a machine logs in with --client-credentials.\nA server that refused a call for want of scopes is asked for them too, the next time. docs/authentication.md shows every way, and tells what is kept where.',
    examples: [
      'auth',
      'auth github',
      'auth github --device',
      'auth github --scope repo --account work',
      'auth github --start --json',
      "auth github --complete 4f1d… 'http://127.0.0.1:41233/callback?code=…&state=…'",
    ],
    positionals: [
      { name: 'server', summary: 'Name of a server', complete: 'server' },
      { name: 'callback', summary: 'With --complete: the address that the browser ended at, or - to read it from stdin' },
    ],
    flags: [
      { name: 'no-browser', summary: 'Only show the address; open it on any machine and paste the one at the end' },
      { name: 'device', summary: 'Log in with a code that is typed into a browser elsewhere' },
      { name: 'client-credentials', summary: "Log in as a machine, with the client's own secret or key" },
      { name: 'scope', value: 's', repeatable: true, summary: 'Ask for exactly these scopes' },
      { name: 'account', value: 'name', summary: 'Which account it is, where you have several (default: the one in use)' },
      { name: 'start', summary: 'Begin, print what to open, and end; nothing is opened' },
      { name: 'complete', value: 'flow', summary: 'Finish what --start began' },
    ],
    load: () => import('./commands/auth.js'),
  },
  {
    name: 'auth-save',
    summary: 'Store a token for a server over HTTP; it is sent as its bearer token',
    description:
      'Asks for the token without showing it, or reads it from stdin. A token on the command line is taken, with a warning: other programs of the machine and the history of the shell see it. It is stored for the address of the server without query; a server whose address changes does not get it.',
    examples: ['auth-save github', 'auth-save github < token.txt'],
    positionals: [
      { name: 'server', summary: 'Name of a server', required: true, complete: 'server' },
      { name: 'token', summary: 'Better not here: see above' },
    ],
    flags: [],
    load: () => import('./commands/auth-save.js'),
  },
  {
    name: 'logout',
    summary: 'Delete what is stored to log in to a server',
    examples: ['logout github', 'logout github --all-accounts'],
    positionals: [{ name: 'server', summary: 'Name of a server', required: true, complete: 'server' }],
    flags: [{ name: 'all-accounts', summary: 'Every account, not only the usual one' }],
    load: () => import('./commands/logout.js'),
  },
  {
    name: 'add',
    summary: 'Add a server to your own configuration: a program or a URL',
    description:
      'The words behind the name belong to the program, flags included; -- in front of it is optional. Behind a URL flags may follow. ${VAR} is written as it is and taken from the environment when the server starts; quote it, or the shell puts the value in.',
    examples: [
      'add files npx -y @modelcontextprotocol/server-filesystem .',
      "add --env 'API_KEY=${API_KEY}' search -- npx -y search-server --fast",
      "add github https://example.com/mcp --header 'Authorization: Bearer ${GITHUB_TOKEN}'",
    ],
    positionals: [
      { name: 'name', summary: 'What the server is to be called', required: true },
      { name: 'command', summary: 'A program with its arguments, or a URL', required: true, rest: true },
    ],
    flags: [
      { name: 'transport', value: 'type', summary: 'stdio, http, sse or auto (default: what fits)' },
      { name: 'header', value: 'name: value', repeatable: true, summary: 'Sent to the URL with every request' },
      { name: 'env', value: 'name=value', repeatable: true, summary: "Added to the program's environment" },
      { name: 'cwd', value: 'folder', summary: 'Where the program runs (default: where mcpctl runs)' },
      {
        name: 'client-id',
        value: 'id',
        summary: 'For logging in to the URL: the identity of this client, if its provider gave you one',
      },
      { name: 'client-secret-env', value: 'variable', summary: 'Name of the variable that holds the secret of that client' },
      { name: 'client-metadata-url', value: 'url', summary: 'Address of a document that describes this client to providers' },
    ],
    load: () => import('./commands/add.js'),
  },
  {
    name: 'remove',
    aliases: ['rm'],
    summary: 'Take a server out of your own configuration',
    description: 'Servers of other files are never written; disable switches them off.',
    examples: ['remove github'],
    positionals: [{ name: 'name', summary: 'Name of a server', required: true, complete: 'server' }],
    flags: [],
    load: () => import('./commands/remove.js'),
  },
  {
    name: 'config',
    here: true,
    summary: 'Where the configuration lies, what it says, whether it is valid, where values come from',
    description:
      'explain shows every value of one server with its origin (default, preset, or file:line:column), and what it shadows. Secrets are masked.',
    examples: ['config path', 'config show', 'config validate', 'config explain github'],
    positionals: [
      {
        name: 'action',
        summary: 'path, show, validate or explain',
        required: true,
        choices: ['path', 'show', 'validate', 'explain'],
      },
      { name: 'server', summary: 'Name of a server, for explain', complete: 'server', after: ['explain'] },
    ],
    flags: [],
    load: () => import('./commands/config.js'),
  },
  {
    name: 'trust',
    summary: 'Look at the servers of the project file, approve one, take an approval back',
    description:
      'Nothing of a server in a project file (.mcp.json) is started, expanded or read before you have approved exactly this definition in this folder; any change asks again and shows what differs. approve prints the whole definition and asks. Without a terminal it takes --fingerprint, which approves only that very definition, or --yes, which approves whatever is there.',
    examples: ['trust list', 'trust approve files', 'trust approve files --fingerprint 5f0c…', 'trust revoke files'],
    positionals: [
      { name: 'action', summary: 'list, approve or revoke', required: true, choices: ['list', 'approve', 'revoke'] },
      { name: 'server', summary: 'Name of a server of the project file', complete: 'server', after: ['approve', 'revoke'] },
    ],
    flags: [
      { name: 'yes', summary: 'Print the definition and approve it without asking' },
      { name: 'fingerprint', value: 'hex', summary: 'Approve without asking if this is its fingerprint, whole' },
    ],
    load: () => import('./commands/trust.js'),
  },
  {
    name: 'help',
    summary: 'Show help, of everything or of one command',
    examples: ['help', 'help call'],
    positionals: [{ name: 'command', summary: 'Name of a command', complete: 'command' }],
    flags: [],
  },
  {
    name: 'clear',
    summary: 'Clear the screen',
    examples: ['/clear'],
    positionals: [],
    flags: [],
    scope: 'repl',
  },
  {
    name: 'exit',
    aliases: ['quit'],
    summary: 'Leave; Ctrl-D does the same',
    examples: ['/exit'],
    positionals: [],
    flags: [],
    scope: 'repl',
  },
];
