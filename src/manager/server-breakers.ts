/** The circuit breakers of one server: its own, and those of tools that the configuration gives one. Remembered, announced, steered. */

import type { ServerConfig } from '../config/schema.js';
import type { Cancel } from '../core/clock.js';
import { formatDuration } from '../core/duration.js';
import { McpctlError } from '../core/errors.js';
import { sanitizeLine } from '../core/sanitize.js';
import { type BreakerState, failureRate } from '../policy/breaker-state.js';
import {
  type BreakerRecord,
  type BreakerStatus,
  CircuitBreaker,
  circuit,
  type Permit,
  type Verdict,
  verdictOf,
} from '../policy/circuit-breaker.js';
import { compose, type Policy } from '../policy/policy.js';
import type { ManagerParts } from './manager-parts.js';
import type { ConnectGate } from './server-lifecycle.js';

export type BreakerVerb = 'open' | 'close' | 'reset';

/** Of one endpoint. */
export interface ServerBreakersStatus {
  readonly server: string;
  readonly breaker: BreakerStatus;
  /** Those with a breaker of their own. */
  readonly tools: readonly (BreakerStatus & { readonly tool: string })[];
}

/** `breaker <server> --json`. */
export interface BreakersOfServer extends ServerBreakersStatus {
  /** Empty for a server with one; else `breaker` is that of the endpoint that speaks for the server. */
  readonly endpoints: readonly (BreakerStatus & { readonly target: string })[];
}

type Records = Readonly<Record<string, BreakerRecord>>;

export interface ServerBreakersOptions {
  /** Asked each time: options may change under a live connection. */
  readonly config: () => ServerConfig;
  readonly parts: Pick<ManagerParts, 'clock' | 'events' | 'longLived'>;
  /** At a glance, before it has been read. */
  readonly mayBeOpen: () => boolean;
  /** What earlier runs wrote down, once it has been read. */
  readonly remembered: Promise<Records | undefined>;
  readonly remember: (records: Records) => void;
  /** Told when the breaker of the server itself has changed. */
  readonly onChange: () => void;
}

/** The server's own breaker among the records. */
const own = '';

export class ServerBreakers implements ConnectGate, Disposable {
  readonly #options: ServerBreakersOptions;
  readonly #server: CircuitBreaker;
  readonly #tools = new Map<string, CircuitBreaker>();
  readonly #timers = new Map<string, Cancel>();
  readonly #restored: Promise<void>;
  #isRestored = false;
  readonly #guard: Policy;
  #records: Records = {};
  /** Failures to connect: each is shared by all who waited for it, and has been counted. */
  readonly #counted = new WeakSet<object>();
  /** Of the attempt to connect that is running; null = a person insisted. */
  #attempt: Permit | null = null;

  constructor(options: ServerBreakersOptions) {
    this.#options = options;
    this.#server = this.#make(own);
    this.#guard = circuit(this.#server, () => this.#refusal(this.#server), this.#judge);
    this.#restored = options.remembered.then((records) => {
      this.#records = records ?? {};
      this.#isRestored = true;
      this.#restore(own, this.#server);
      // A call makes its way while the file is still being read.
      for (const [tool, breaker] of this.#tools) this.#restore(tool, breaker);
    });
  }

  /** The state of the server's own breaker. */
  get state(): BreakerState['state'] {
    return this.#server.state.state;
  }

  /** Around a request: refused at once while the breaker is open, else counted. */
  guard(tool?: string): Policy {
    const breaker = tool === undefined ? undefined : this.#ofTool(tool);
    if (!breaker) return this.#guard;
    // What fails there is held against the tool alone.
    const indulgent = (error: unknown): Verdict => (this.#judge(error) === 'success' ? 'success' : 'neither');
    return compose(
      circuit(this.#server, () => this.#refusal(this.#server), indulgent),
      circuit(breaker, () => this.#refusal(breaker, tool), this.#judge),
    );
  }

  readonly #judge = (error: unknown): Verdict => (this.#isCounted(error) ? 'neither' : verdictOf(error));

  refusal(): McpctlError | undefined {
    if (this.state !== 'open') return undefined;
    this.#server.refused();
    return this.#refusal(this.#server);
  }

  async enter(isProbe: boolean): Promise<void> {
    if (!this.#isRestored && this.#options.mayBeOpen()) await this.#restored;
    const refused = isProbe ? undefined : this.refusal();
    if (refused) throw refused;
    this.#attempt = isProbe ? null : this.#server.permit();
  }

  succeeded(): void {
    this.#settle('success');
  }

  failed(error: McpctlError): void {
    this.#counted.add(error);
    this.#settle(verdictOf(error), error);
  }

  #settle(verdict: Verdict, error?: McpctlError): void {
    if (this.#isRestored) this.#server.settle(verdict, this.#attempt, 'reach', error);
    else void this.#restored.then(() => this.#settle(verdict, error));
  }

  pauseMs(): number | null | undefined {
    return this.state === 'open' ? this.#server.retryAfterMs : undefined;
  }

  /** `open` holds until `close` or `reset`, which concern the tools as well; `reset` also forgets what was counted. */
  steer(verb: BreakerVerb): void {
    this.#server.steer(verb);
    if (verb !== 'open') for (const tool of this.#toolNames()) this.#ofTool(tool)!.steer(verb);
    this.#remember();
  }

  status(): ServerBreakersStatus {
    const tools = this.#toolNames().map((tool) => ({ tool, ...this.#ofTool(tool)!.status() }));
    return { server: this.#options.config().name, breaker: this.#server.status(), tools };
  }

  /** Writes down what has been counted since the last change of a state. */
  [Symbol.dispose](): void {
    for (const cancel of this.#timers.values()) cancel();
    if ([this.#server, ...this.#tools.values()].some(({ isDirty }) => isDirty)) this.#remember();
  }

  #toolNames(): string[] {
    return Object.keys(this.#options.config().circuitBreaker.tools);
  }

  #ofTool(tool: string): CircuitBreaker | undefined {
    if (!Object.hasOwn(this.#options.config().circuitBreaker.tools, tool)) {
      this.#tools.delete(tool);
      return undefined;
    }
    let breaker = this.#tools.get(tool);
    if (!breaker) {
      breaker = this.#make(tool);
      this.#tools.set(tool, breaker);
      this.#restore(tool, breaker);
    }
    return breaker;
  }

  #make(name: string): CircuitBreaker {
    return new CircuitBreaker({
      options: () => {
        const { circuitBreaker } = this.#options.config();
        return name === own ? circuitBreaker : (circuitBreaker.tools[name] ?? circuitBreaker);
      },
      clock: this.#options.parts.clock,
      onChange: (from, to) => this.#changed(name, from, to),
    });
  }

  #restore(name: string, breaker: CircuitBreaker): void {
    const record = Object.hasOwn(this.#records, name) ? this.#records[name] : undefined;
    if (!record) return;
    breaker.restore(record);
    this.#tickLater(name, breaker);
  }

  #changed(name: string, from: BreakerState, to: BreakerState): void {
    const { parts, config, onChange } = this.#options;
    const breaker = name === own ? this.#server : this.#tools.get(name)!;
    this.#tickLater(name, breaker);
    // What follows from the passing of time need not be written down; an opening that nobody hears of would be one too few.
    if (to.state !== 'half-open') this.#remember();
    parts.events.emit({
      type: 'breaker-changed',
      server: config().name,
      tool: name === own ? null : name,
      from: from.state,
      to: to.state,
      openUntil: to.state === 'open' && to.until !== null ? new Date(to.until).toISOString() : null,
      failures: to.failures,
    });
    if (name === own) onChange();
  }

  /** A manager that stays tells when an opening is over, though nobody calls. */
  #tickLater(name: string, breaker: CircuitBreaker): void {
    const { clock, longLived } = this.#options.parts;
    this.#timers.get(name)?.();
    this.#timers.delete(name);
    const waitMs = breaker.state.state === 'open' ? breaker.retryAfterMs : null;
    if (!longLived || waitMs === null) return;
    const tick = () => void (breaker.state.state === 'open' && this.#tickLater(name, breaker));
    this.#timers.set(name, clock.after(waitMs, tick, { background: true }));
  }

  #remember(): void {
    const tools = [...this.#tools].map(([name, breaker]) => [name, breaker.record()] as const);
    this.#records = { ...this.#records, ...Object.fromEntries(tools), [own]: this.#server.record() };
    this.#options.remember(this.#records);
  }

  #isCounted(error: unknown): boolean {
    return typeof error === 'object' && error !== null && this.#counted.has(error);
  }

  #refusal(breaker: CircuitBreaker, tool?: string): McpctlError {
    const { name: server } = this.#options.config();
    const { state, retryAfterMs } = breaker;
    const { openUntil, consecutiveFailures } = breaker.status();
    const subject = tool === undefined ? `Server "${server}"` : `Tool ${server}/${sanitizeLine(tool, 100)}`;
    return new McpctlError('CIRCUIT_OPEN', `${subject} ${this.#why(breaker)}`, {
      cause: breaker.lastError,
      server,
      hint: hintFor(server, state, tool),
      details: { state: state.state, retryAfterMs, openUntil, consecutiveFailures },
      delivered: 'no',
    });
  }

  #why(breaker: CircuitBreaker): string {
    const { state, retryAfterMs } = breaker;
    if (state.state !== 'open') return 'is being tried out after failures, with as many calls as it may get';
    if (retryAfterMs === null) return 'gets no calls: its circuit breaker was opened by hand';
    const last = breaker.lastError ? `. Last: ${breaker.lastError.message}` : '';
    return `${this.#cause(breaker)} and gets no calls for another ${formatDuration(retryAfterMs)}${last}`;
  }

  #cause({ state, parts }: CircuitBreaker): string {
    const { maxFailures, minSamples } = parts.options();
    const { samples, percent } = failureRate(state.window, parts.clock.date().getTime());
    if (state.failures > 1 && state.failures >= maxFailures) return `failed ${state.failures} times in a row`;
    if (state.openings > 1) return 'failed again when it was tried out';
    return samples > 1 && samples >= minSamples ? `failed in ${Math.round(percent)} % of ${samples} calls` : 'failed';
  }
}

function hintFor(server: string, state: BreakerState, tool: string | undefined): string {
  if (state.state === 'open' && state.until === null) return `mcpctl breaker ${server} close`;
  return tool === undefined ? `to try it at once: mcpctl reconnect ${server}` : `mcpctl breaker ${server} shows it`;
}
