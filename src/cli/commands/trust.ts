/** `trust`: look at the servers of the project's file, approve one exactly as it is, or take an approval back. */

import * as z from 'zod/mini';
import type { JsonValue } from '../../config/document.js';
import { approveProposal, type Proposal, readProposal, readProposals, revokeApproval } from '../../config/proposal.js';
import { McpctlError } from '../../core/errors.js';
import type { CommandContext, Outcome, Run, Text } from '../command.js';
import { changesSince, definitionText, fieldName, type VariableUse, variablesUsed } from '../definition-text.js';
import { paint, table } from '../render.js';
import { takeOver } from '../user-servers.js';

export const args = z.object({
  action: z.enum(['list', 'approve', 'revoke']),
  server: z.optional(z.string()),
  yes: z._default(z.boolean(), false),
  fingerprint: z.optional(z.string()),
});

interface ListData {
  /** Null outside a project, and with -c. */
  readonly file: string | null;
  readonly project: string | null;
  readonly servers: readonly {
    readonly server: string;
    readonly file: string;
    readonly fingerprint: string;
    /** `removed`: approved, and no longer in the file. */
    readonly state: Proposal['state'];
    readonly approvedAt: string | null;
  }[];
}

interface ApproveData {
  readonly server: string;
  readonly file: string;
  readonly project: string;
  readonly fingerprint: string;
  readonly approved: boolean;
  /** The entry as written. */
  readonly definition: JsonValue;
  readonly variables: readonly VariableUse[];
  /** Since an earlier approval; `from` or `to` is absent where the field is new or gone. */
  readonly changes: readonly { readonly path: string; readonly from?: JsonValue; readonly to?: JsonValue }[];
}

interface RevokeData {
  readonly server: string;
  readonly file: string;
  readonly revoked: boolean;
}

export type TrustData = ListData | ApproveData | RevokeData;

type Input = z.infer<typeof args>;

export const run: Run<typeof args, TrustData> = async (input, context) => {
  if (input.action !== 'approve' && (input.yes || input.fingerprint !== undefined)) {
    throw usage(`--${input.yes ? 'yes' : 'fingerprint'} is for trust approve`);
  }
  if (input.action === 'list') return list(input, context);
  if (input.server === undefined) throw usage(`trust ${input.action} needs the name of a server`, 'mcpctl trust list');
  return input.action === 'approve' ? approve(input.server, input, context) : revoke(input.server, context);
};

async function list({ server }: Input, { config, signal }: CommandContext): Promise<Outcome<ListData>> {
  if (server !== undefined) throw usage('trust list takes no server: it lists all of them');
  const { project } = config.layers;
  if (!project) return { data: { file: null, project: null, servers: [] } };
  const proposals = await readProposals(project, config.places.configDir, { signal });
  const servers = proposals.map(({ server, fingerprint, state, stored }) => ({
    server,
    file: project.file,
    fingerprint,
    state,
    approvedAt: stored?.approvedAt ?? null,
  }));
  return { data: { file: project.file, project: project.root, servers } };
}

async function approve(server: string, input: Input, context: CommandContext): Promise<Outcome<ApproveData>> {
  const { config, note, ask, signal } = context;
  const { configDir } = config.places;
  const project = projectOf(server, context);
  const proposal = await readProposal(project, server, configDir, { signal });
  if (proposal.state === 'removed') throw gone(server, project.file);
  const { fingerprint, state } = proposal;
  const outcome = (approved: boolean, error?: McpctlError): Outcome<ApproveData> => ({
    data: {
      server,
      file: project.file,
      project: project.root,
      fingerprint,
      approved,
      definition: proposal.entry,
      variables: variablesUsed(proposal, config.layers.env),
      changes: changesSince(proposal).map(({ path, ...change }) => ({ path: fieldName(path), ...change })),
    },
    // What was decided about must not have holes.
    verbatim: true,
    ...(error && { error }),
  });
  if (input.fingerprint !== undefined && input.fingerprint.toLowerCase() !== fingerprint) {
    throw new McpctlError('UNTRUSTED', `"${server}" has the fingerprint ${fingerprint}, not ${input.fingerprint}`, {
      server,
      hint: `it is not what you looked at; see what it is now: mcpctl trust approve ${server}`,
      details: { fingerprint, expected: input.fingerprint },
    });
  }
  if (state === 'approved') return outcome(true);
  note(definitionText(proposal, config.layers.env), { isPrompt: true });
  if (!input.yes && input.fingerprint === undefined) {
    if (!ask) return outcome(false, nobodyToAsk(proposal));
    if (!/^y(es)?$/i.test((await ask(`Approve "${server}"? [y/N] `)).trim())) return outcome(false, declined(server));
  }
  signal.throwIfAborted();
  await approveProposal(proposal, configDir, { signal });
  await takeOver(context);
  return outcome(true);
}

async function revoke(server: string, context: CommandContext): Promise<Outcome<RevokeData>> {
  const { config, signal } = context;
  const { configDir } = config.places;
  const project = projectOf(server, context);
  // A misspelt name must not look as if something had been taken back.
  await readProposal(project, server, configDir, { signal });
  const revoked = await revokeApproval(project, server, configDir, { signal });
  if (revoked) await takeOver(context);
  return { data: { server, file: project.file, revoked } };
}

function projectOf(server: string, { config }: CommandContext) {
  const { project } = config.layers;
  if (project) return project;
  const file = config.servers.get(server)?.file;
  const what = file
    ? `Server "${server}" of ${file} needs no approval: the file is your own choice`
    : 'There is no project file here, so nothing waits for an approval';
  throw new McpctlError('USAGE', what, { hint: 'mcpctl config path shows which files are read' });
}

function nobodyToAsk({ server, project, fingerprint, state }: Proposal): McpctlError {
  const what = state === 'changed' ? 'was changed since it was approved' : 'is not approved';
  return new McpctlError('UNTRUSTED', `Server "${server}" of ${project.file} ${what}, and nobody is there to ask`, {
    server,
    hint: `read the definition, then: mcpctl trust approve ${server} --fingerprint ${fingerprint} (--yes approves whatever is there)`,
    details: { file: project.file, fingerprint, state },
  });
}

function declined(server: string): McpctlError {
  return new McpctlError('UNTRUSTED', `"${server}" is not approved`, {
    server,
    hint: `to be asked again: mcpctl trust approve ${server}`,
  });
}

function gone(server: string, file: string): McpctlError {
  return new McpctlError('UNKNOWN_SERVER', `There is no server "${server}" in ${file} any more`, {
    server,
    hint: `to forget its approval: mcpctl trust revoke ${server}`,
  });
}

function usage(message: string, hint = 'mcpctl trust --help'): McpctlError {
  return new McpctlError('USAGE', message.charAt(0).toUpperCase() + message.slice(1), { hint });
}

export const text: Text<TrustData> = (data, options) => {
  if ('revoked' in data) return `${data.server}: ${data.revoked ? 'the approval is taken back' : 'it was not approved'}`;
  if ('approved' in data) return data.approved ? `${data.server} is approved (fingerprint ${data.fingerprint})` : '';
  if (data.file === null) return 'There is no project file (.mcp.json) here.';
  if (data.servers.length === 0) return `${data.file} defines no servers.`;
  const chalk = paint(options.color);
  const hue = { approved: chalk.green, missing: chalk.yellow, changed: chalk.red, removed: chalk.dim };
  const rows = data.servers.map(({ server, state, approvedAt, fingerprint }) => [
    server,
    hue[state](state === 'missing' ? 'not approved' : state),
    approvedAt?.slice(0, 19).replace('T', ' ') ?? '-',
    fingerprint,
  ]);
  const heads = [{ head: 'SERVER' }, { head: 'STATE' }, { head: 'APPROVED (UTC)' }, { head: 'FINGERPRINT', flexible: true }];
  const waiting = data.servers.find(({ state }) => state === 'missing' || state === 'changed');
  return [
    data.file,
    table(heads, rows, options),
    ...(waiting ? ['', `To look at one and decide: mcpctl trust approve ${waiting.server}`] : []),
  ].join('\n');
};
