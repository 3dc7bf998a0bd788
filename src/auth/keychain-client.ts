/** The other end of the keychain's process: starts it when it is needed, and ends it when it does not answer in time. */
import { type ChildProcess, fork } from 'node:child_process';
import type { Cancel, Clock } from '../core/clock.js';
import { formatDuration } from '../core/duration.js';
import type { McpctlError } from '../core/errors.js';
import { sanitizeLine } from '../core/sanitize.js';
import type { KeychainReady, KeychainReply, KeychainRequest } from './keychain-helper.js';
import { type Patience, vaultError } from './vault.js';

export interface KeychainClientOptions {
  /** Absolute path of the helper program. */
  readonly helper: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
}

type Wanted =
  | { readonly do: 'get' | 'delete'; readonly name: string }
  | { readonly do: 'set'; readonly name: string; readonly value: string };

interface Pending {
  /** From now on the keychain is waited for. */
  readonly begin: () => void;
  readonly resolve: (value: string | boolean | null | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/** How long the process itself may take to start, which on a busy machine is much longer than a keychain takes; in milliseconds. */
const startMs = 15_000;
/** How long the process stays for the next request, in milliseconds: starting it takes 90. */
const idleMs = 5_000;

export class KeychainClient implements AsyncDisposable {
  readonly #options: KeychainClientOptions;
  readonly #pending = new Map<number, Pending>();
  #child: ChildProcess | undefined;
  #isReady = false;
  #cancelIdle: Cancel = () => {};
  #lastId = 0;

  constructor(options: KeychainClientOptions) {
    this.#options = options;
  }

  /** @throws McpctlError `CREDENTIAL_STORE`; `signal.reason` on abort */
  request(wanted: Wanted, { signal, limitMs }: Patience): Promise<string | boolean | null | undefined> {
    signal.throwIfAborted();
    this.#cancelIdle();
    const id = ++this.#lastId;
    return new Promise<string | boolean | null | undefined>((resolve, reject) => {
      const onAbort = () => {
        pending.reject(signal.reason);
        // What it still works on is for nobody, and it may be a dialog that waits.
        if (this.#pending.size === 0) this.#kill();
      };
      const { clock } = this.#options;
      const limit = (ms: number) => clock.after(ms, () => this.#fail(silent(limitMs)));
      let cancelLimit = limit(this.#isReady ? limitMs : startMs);
      const end = () => {
        cancelLimit();
        signal.removeEventListener('abort', onAbort);
        this.#pending.delete(id);
        if (this.#pending.size === 0) this.#cancelIdle = clock.after(idleMs, () => this.#kill(), { background: true });
      };
      const pending: Pending = {
        begin: () => {
          cancelLimit();
          cancelLimit = limit(limitMs);
        },
        resolve: (value) => {
          end();
          resolve(value);
        },
        reject: (error) => {
          end();
          reject(error);
        },
      };
      this.#pending.set(id, pending);
      signal.addEventListener('abort', onAbort, { once: true });
      this.#start().send({ id, ...wanted } satisfies KeychainRequest, (error) => {
        if (error) pending.reject(ended(error.message));
      });
    });
  }

  #start(): ChildProcess {
    if (this.#child) return this.#child;
    const { helper, env } = this.#options;
    const child = fork(helper, [], {
      env: helperEnvironment(env),
      execArgv: [],
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    this.#child = child;
    this.#isReady = false;
    // A command that has its answer does not wait for it.
    child.unref();
    child.channel?.unref();
    child.on('message', (message: KeychainReply | KeychainReady) => {
      if (!('isReady' in message)) this.#heard(message);
      else if (this.#child === child) this.#begin();
    });
    const gone = (why: string) => {
      if (this.#child === child) this.#fail(ended(why));
    };
    child.once('error', (error) => gone(error.message));
    child.once('exit', (code, name) => gone(name === null ? `exit code ${code}` : name));
    return child;
  }

  #begin(): void {
    this.#isReady = true;
    for (const { begin } of this.#pending.values()) begin();
  }

  #heard(reply: KeychainReply): void {
    const pending = this.#pending.get(reply.id);
    if (reply.ok) pending?.resolve(reply.value);
    else pending?.reject(refused(reply));
  }

  /** Ends the process and every request to it. */
  #fail(error: McpctlError): void {
    this.#kill();
    for (const pending of [...this.#pending.values()]) pending.reject(error);
  }

  #kill(): void {
    const child = this.#child;
    this.#child = undefined;
    this.#cancelIdle();
    child?.kill('SIGKILL');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const child = this.#child;
    this.#fail(ended('mcpctl is closing'));
    if (!child || child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
    child.ref();
    await new Promise((resolve) => child.once('exit', resolve));
  }
}

/** What finds the keychain and its dialogs, without the keys of the other store and what changes how Node starts. */
function helperEnvironment(env: KeychainClientOptions['env']): Record<string, string> {
  const kept = Object.entries(env).filter(
    ([name, value]) =>
      value !== undefined && !name.startsWith('MCPCTL_') && name !== 'NODE_OPTIONS' && name !== 'NODE_EXTRA_CA_CERTS',
  );
  return Object.fromEntries(kept) as Record<string, string>;
}

function silent(limitMs: number): McpctlError {
  return vaultError(
    'silent',
    `The keychain did not answer within ${formatDuration(limitMs)}; it may be waiting for its password`,
    {
      hint: 'unlock it, then try again; MCPCTL_CREDENTIAL_STORE=file keeps tokens in an encrypted file instead',
    },
  );
}

function ended(why: string): McpctlError {
  return vaultError('failed', `The process that talks to the keychain has ended (${sanitizeLine(why, 200)})`, {
    hint: 'try again; MCPCTL_CREDENTIAL_STORE=file keeps tokens in an encrypted file instead',
  });
}

function refused({ reason, message }: Extract<KeychainReply, { ok: false }>): McpctlError {
  const why = sanitizeLine(message, 300);
  switch (reason) {
    case 'missing':
      return vaultError('missing', `There is no keychain here: ${why}`, {
        hint: 'MCPCTL_CREDENTIAL_STORE=file keeps tokens in an encrypted file',
      });
    case 'silent':
      return vaultError('silent', `The keychain does not answer: ${why}`, {
        hint: 'restart the keychain (on Linux: gnome-keyring-daemon, kwalletd or the like), then try again',
      });
    case 'locked':
      return vaultError('locked', `The keychain is locked: ${why}`, {
        hint: 'unlock it in your desktop session, then try again; MCPCTL_CREDENTIAL_STORE=file keeps tokens in an encrypted file instead',
      });
    case 'failed':
      return vaultError('failed', `The keychain refused: ${why}`, {
        hint: 'MCPCTL_CREDENTIAL_STORE=file keeps tokens in an encrypted file instead',
      });
  }
}
