/** The process that talks to the keychain. It gets requests, secrets included, over its channel and nowhere else. */

// A keychain that waits for its password blocks a thread that nothing can stop but the end of the process: so it is not ours.

import type { AsyncEntry } from '@napi-rs/keyring';

export interface KeychainRequest {
  readonly id: number;
  readonly do: 'get' | 'set' | 'delete';
  readonly name: string;
  /** For `set`. */
  readonly value?: string;
}

/** Said once, when requests are going to be answered as fast as the keychain is. */
export interface KeychainReady {
  readonly isReady: true;
}

export type KeychainReply =
  /** `value`: for `get`, null = no such entry; for `delete`, whether there was one. */
  | { readonly id: number; readonly ok: true; readonly value?: string | boolean | null }
  | {
      readonly id: number;
      readonly ok: false;
      readonly reason: 'missing' | 'locked' | 'silent' | 'failed';
      readonly message: string;
    };

/** What the entries are filed under, beside their names. */
const service = 'mcpctl';

/** A look-up of an entry connects anew and blocks; the entry itself is cheap to use again. */
const entries = new Map<string, AsyncEntry>();

/** One after the other: a locked keychain is to ask for its password once. */
let turn: Promise<void> = Promise.resolve();

process.on('message', (request: KeychainRequest) => {
  turn = turn.then(async () => {
    const reply = await answer(request);
    process.send?.(reply);
  });
});
// Loading the library is not the keychain's time; that it is missing is told to whoever asks.
void import('@napi-rs/keyring').catch(() => {}).then(() => process.send?.({ isReady: true } satisfies KeychainReady));
// exit() would wait for the blocked thread.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
// Ctrl-C is for mcpctl, which then ends this process, or does not.
process.on('SIGINT', () => {});

async function answer(request: KeychainRequest): Promise<KeychainReply> {
  const { id } = request;
  try {
    return { id, ok: true, ...(await perform(request)) };
  } catch (error) {
    entries.delete(request.name);
    return { id, ok: false, ...explain(error) };
  }
}

async function perform({ do: what, name, value = '' }: KeychainRequest): Promise<{ value?: string | boolean | null }> {
  const entry = entries.get(name) ?? (await openEntry(name));
  entries.set(name, entry);
  switch (what) {
    case 'get': {
      const secret = await entry.getSecret();
      return { value: secret === null ? null : Buffer.from(secret).toString('utf8') };
    }
    case 'set':
      await entry.setSecret(Buffer.from(value));
      return {};
    case 'delete':
      return { value: await entry.deleteCredential() };
  }
}

async function openEntry(name: string): Promise<AsyncEntry> {
  const library = await import('@napi-rs/keyring');
  // Pinned: without a Secret Service the library would take the kernel's keys, which are gone after a restart.
  return new library.AsyncEntry(service, name, { linux: { store: 'secret-service' } });
}

/** The library has one error code for everything; its texts say which of four things happened. */
function explain(error: unknown): { reason: 'missing' | 'locked' | 'silent' | 'failed'; message: string } {
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'MODULE_NOT_FOUND' || code === 'ERR_MODULE_NOT_FOUND' || /native binding/i.test(message))
    return { reason: 'missing', message: 'the package @napi-rs/keyring is not installed for this system' };
  if (/did not receive a reply|timed? ?out/i.test(message)) return { reason: 'silent', message: innermost(message) };
  // A bus without a provider, no bus at all, or a provider that never had a keyring made.
  if (message.startsWith('Platform failure: ') || /no result found/.test(message))
    return { reason: 'missing', message: innermost(message) };
  return { reason: /prompt|lock|denied/i.test(message) ? 'locked' : 'failed', message: innermost(message) };
}

/** What the library says, in words for those who do not know D-Bus. */
function innermost(message: string): string {
  if (message.includes('DBUS_SESSION_BUS_ADDRESS')) return 'there is no D-Bus session';
  if (message.includes('.service files')) return 'no program offers the Secret Service';
  if (/did not receive a reply/i.test(message)) return 'no reply came';
  if (message.includes('no result found')) return 'no keyring has been made yet';
  return message.replace(/^(?:(?:Platform failure|Couldn't access platform storage|DBus error|Secret Service): )+/, '');
}
