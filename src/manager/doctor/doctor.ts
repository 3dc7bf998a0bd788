/** The examination of servers and of this machine: which steps there are, in which order, and what each of them needs. */
import type { ServerConfig } from '../../config/schema.js';
import { type ErrorCode, McpctlError } from '../../core/errors.js';
import { Semaphore } from '../../policy/semaphore.js';
import { endpointConfig } from '../endpoint-set.js';
import { type Check, runChain, type Step } from './chain.js';
import { errorCodeOf, type Verdict } from './codes.js';
import { checkConfig, checkEnvironment, checkTrust } from './definition-checks.js';
import { checkRegistration, checkToken, checkWellKnown } from './login-checks.js';
import { type Machine, machineChecks } from './machine-checks.js';
import { answerMs, checkDns, checkHttp, checkProxy, checkTcp, checkTls } from './network-checks.js';
import { checkInitialize, checkList, checkSpawn } from './session-checks.js';
import { connectLimitMs, type DoctorParts, type Skew, Subject } from './subject.js';

export interface ServerDiagnosis {
  readonly server: string;
  readonly transport: 'stdio' | 'http';
  /** Its secrets masked. Of a server with several endpoints there is one diagnosis for each. */
  readonly target: string;
  readonly verdict: Verdict;
  readonly steps: readonly Step[];
}

export interface Diagnosis {
  readonly verdict: Verdict;
  readonly servers: readonly ServerDiagnosis[];
  readonly machine: readonly Step[];
  readonly counts: Readonly<Record<Verdict, number>>;
}

/** Time that a step gets beside the limits that what it uses has itself, so that those speak first; in milliseconds. */
const graceMs = 2_000;
const fileMs = 5_000;
/** Two documents, each of which may take 10 s, and their second places. */
const metadataMs = 30_000;
const tokenMs = 30_000;

const networkMs = ({ server }: Subject) => server.timeouts.connectMs;
const sessionMs = ({ server }: Subject) => connectLimitMs(server) + graceMs;
const listMs = ({ server }: Subject) => server.timeouts.listMs;

const definitionSteps: readonly Check<Subject>[] = [
  { step: 'config', limitMs: fileMs, run: checkConfig },
  { step: 'environment', needs: ['config'], limitMs: fileMs, run: checkEnvironment },
  { step: 'trust', needs: ['config'], limitMs: fileMs, run: checkTrust },
];
const isUsable = ['config', 'environment', 'trust'];

export const programSteps: readonly Check<Subject>[] = [
  ...definitionSteps,
  { step: 'spawn', needs: isUsable, limitMs: sessionMs, onLimit: 'INITIALIZE_TIMEOUT', run: checkSpawn },
  { step: 'initialize', needs: ['spawn'], limitMs: sessionMs, onLimit: 'INITIALIZE_TIMEOUT', run: checkInitialize },
  { step: 'list', needs: ['initialize'], limitMs: listMs, onLimit: 'LIST_TIMEOUT', run: checkList },
];

export const httpSteps: readonly Check<Subject>[] = [
  ...definitionSteps,
  { step: 'dns', needs: isUsable, limitMs: networkMs, onLimit: 'DNS_TIMEOUT', run: checkDns },
  { step: 'tcp', needs: ['dns'], limitMs: networkMs, onLimit: 'TCP_TIMEOUT', run: checkTcp },
  // Before TLS, which is made with the server and so inside the tunnel of a proxy.
  { step: 'proxy', needs: ['tcp'], limitMs: networkMs, onLimit: 'PROXY_TIMEOUT', run: checkProxy },
  { step: 'tls', needs: ['proxy'], limitMs: networkMs, onLimit: 'TLS_TIMEOUT', run: checkTls },
  { step: 'http', needs: ['tls'], limitMs: answerMs + graceMs, onLimit: 'HTTP_TIMEOUT', run: checkHttp },
  { step: 'well-known', needs: ['http'], limitMs: metadataMs, onLimit: 'METADATA_TIMEOUT', run: checkWellKnown },
  { step: 'registration', needs: ['well-known'], limitMs: fileMs, run: checkRegistration },
  { step: 'token', needs: ['http'], limitMs: tokenMs, run: checkToken },
  { step: 'initialize', needs: ['http', 'token'], limitMs: sessionMs, onLimit: 'INITIALIZE_TIMEOUT', run: checkInitialize },
  { step: 'list', needs: ['initialize'], limitMs: listMs, onLimit: 'LIST_TIMEOUT', run: checkList },
];

/** @throws McpctlError `UNKNOWN_SERVER`, before anything is looked at; `signal.reason` */
export async function diagnose(
  names: readonly string[],
  parts: DoctorParts,
  { signal, isAttended }: { readonly signal: AbortSignal; readonly isAttended: boolean },
): Promise<Diagnosis> {
  const configs = names.map((name) => parts.find(name).config).flatMap(endpointsOf);
  await parts.logins?.refresh();
  const skews: Skew[] = [];
  const turns = new Semaphore(parts.config.startConcurrency);
  const settled = await Promise.allSettled(
    configs.map((config) => turns.run(signal, () => examine(new Subject(parts, config, skews), signal))),
  );
  signal.throwIfAborted();
  const servers = settled.map((outcome) => {
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  });
  const machine = await runChain<Machine>(machineChecks, { parts, skews, isAttended }, { clock: parts.clock, signal });
  const counts = { ok: 0, warning: 0, failed: 0, skipped: 0 };
  for (const { verdict } of [...servers.flatMap(({ steps }) => steps), ...machine]) counts[verdict]++;
  return { verdict: counts.failed > 0 ? 'failed' : counts.warning > 0 ? 'warning' : 'ok', servers, machine, counts };
}

function endpointsOf(config: ServerConfig): ServerConfig[] {
  return config.endpoints.length > 1 ? config.endpoints.map((address) => endpointConfig(config, address)) : [config];
}

async function examine(given: Subject, signal: AbortSignal): Promise<ServerDiagnosis> {
  await using subject = given;
  const { name, target, definition } = subject.server;
  const isProgram = definition.type === 'stdio';
  const steps = await runChain(isProgram ? programSteps : httpSteps, subject, { clock: subject.parts.clock, signal });
  return { server: name, transport: isProgram ? 'stdio' : 'http', target, verdict: summary(steps), steps };
}

function summary(steps: readonly Step[]): Verdict {
  const has = (verdict: Verdict) => steps.some((step) => step.verdict === verdict);
  if (has('failed')) return 'failed';
  if (has('warning')) return 'warning';
  return steps[0]?.code === 'SERVER_DISABLED' ? 'skipped' : 'ok';
}

/** How a command ends that found this; undefined when nothing failed. */
export function errorOf({ servers, machine, counts }: Diagnosis): McpctlError | undefined {
  const all = [
    ...servers.flatMap(({ server, steps }) => steps.map((step) => ({ ...step, server }))),
    ...machine.map((step) => ({ ...step, server: undefined })),
  ];
  const first = all.find(({ verdict }) => verdict === 'failed');
  if (!first) return undefined;
  const { server, step, code, finding, fix } = first;
  const more = counts.failed > 1 ? ` (and ${counts.failed - 1} more)` : '';
  return new McpctlError(errorCodeOf(code) as ErrorCode, `${server ?? 'this machine'}, ${step}: ${finding}${more}`, {
    server,
    hint: fix ?? (server === undefined ? 'mcpctl doctor' : `mcpctl doctor ${server}`),
    details: { step, code },
  });
}
