/** The keychain, with a real Secret Service in every state, through the real helper process. */

import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { KeychainClient } from '../../src/auth/keychain-client.js';
import { KeychainVault } from '../../src/auth/keychain-vault.js';
import { isMissing, type Patience } from '../../src/auth/vault.js';
import { systemClock } from '../../src/core/clock.js';
import { cancelled } from '../../src/core/errors.js';
import { type Keychain, type KeychainState, keychainComponents, startKeychain } from '../support/keychain.js';
import { needs } from '../support/needs.js';
import { findProcesses } from '../support/no-leftovers.js';
import { type TempHome, tempHome } from '../support/temp-home.js';
import { waitFor } from '../support/wait-for.js';

const helper = fileURLToPath(new URL('../../dist/keychain-helper.cjs', import.meta.url));
const patient = (limitMs = 10_000): Patience => ({ signal: new AbortController().signal, limitMs });

interface Opened extends AsyncDisposable {
  readonly vault: KeychainVault;
  readonly client: KeychainClient;
}

function open(home: TempHome, env: Readonly<Record<string, string>>, entryBytes?: number): Opened {
  const client = new KeychainClient({ helper, env: { ...home.env, ...env }, clock: systemClock });
  return { client, vault: new KeychainVault(client, entryBytes), [Symbol.asyncDispose]: () => client[Symbol.asyncDispose]() };
}

/** The helper of this home; it stays a moment for the next request. */
const helperOf = (home: TempHome) => findProcesses(home.path).find(({ command }) => command.includes('keychain-helper'));

describe('the keychain', needs(...keychainComponents), () => {
  const inState = async (
    state: KeychainState,
    test: (parts: Opened & { home: TempHome; keychain: Keychain }) => Promise<void>,
    { entryBytes, before = 'unlocked' }: { entryBytes?: number; before?: KeychainState } = {},
  ) => {
    await using home = await tempHome();
    if (state === 'locked' || state === 'asking') {
      await using keychain = await startKeychain(home, before);
      await using opened = open(home, keychain.env);
      await opened.vault.set('kept', 'from before', patient());
    }
    await using keychain = await startKeychain(home, state);
    await using opened = open(home, keychain.env, entryBytes);
    await test({ ...opened, home, keychain });
  };

  it('keeps what it is given, replaces it, finds nothing where nothing is, and deletes once', () =>
    inState('unlocked', async ({ vault, keychain }) => {
      expect(await vault.get('a@host 1', patient())).toBeUndefined();
      await vault.set('a@host 1', 'first', patient());
      await vault.set('a@host 1', 'zweiter Schlüssel ✓', patient());
      expect(await vault.get('a@host 1', patient())).toBe('zweiter Schlüssel ✓');
      expect(await keychain.lookup('a@host 1')).toBe('zweiter Schlüssel ✓');
      expect(await vault.get('a@host 2', patient())).toBeUndefined();
      expect([await vault.delete('a@host 1', patient()), await vault.delete('a@host 1', patient())]).toEqual([true, false]);
      expect(await keychain.lookup('a@host 1')).toBe('');
    }));

  it('is read by another helper afterwards, and by 20 requests at once', () =>
    inState('unlocked', async ({ vault, home, keychain }) => {
      await vault.set('x', 'shared', patient());
      await using other = open(home, keychain.env);
      const read = await Promise.all(Array.from({ length: 20 }, () => other.vault.get('x', patient())));
      expect(read).toEqual(Array(20).fill('shared'));
    }));

  it('divides a value of 10,000 bytes among entries of 2,400, and leaves no part behind', () =>
    inState(
      'unlocked',
      async ({ vault, client, keychain }) => {
        const large = 'ä'.repeat(5_000);
        await vault.set('big', large, patient());
        expect(await keychain.lookup('big')).toMatch(/^parts:[0-9a-f]{8}:6$/);
        const [, series] = (await keychain.lookup('big')).split(':');
        expect((await keychain.lookup(`big #${series}.0`)).length).toBe(2_400);
        expect(await vault.get('big', patient())).toBe(large);
        await vault.set('big', 'small now', patient());
        expect(await vault.get('big', patient())).toBe('small now');
        for (let i = 0; i < 6; i++)
          expect(await client.request({ do: 'get', name: `big #${series}.${i}` }, patient())).toBeNull();
      },
      { entryBytes: 2_400 },
    ));

  it('that is locked is an error, never an empty one', () =>
    inState('locked', async ({ vault }) => {
      for (const attempt of [vault.get('kept', patient()), vault.set('kept', 'x', patient()), vault.delete('kept', patient())]) {
        await expect(attempt).rejects.toMatchObject({ code: 'CREDENTIAL_STORE', details: { reason: 'locked' } });
      }
    }));

  it('whose dialog nobody answers costs 500 ms where that is the limit, and its process is gone', () =>
    inState('asking', async ({ vault, home }) => {
      await expect(vault.get('kept', patient(500))).rejects.toMatchObject({
        code: 'CREDENTIAL_STORE',
        message: expect.stringContaining('did not answer within 500 ms'),
        details: { reason: 'silent' },
      });
      await waitFor(() => helperOf(home) === undefined);
    }));

  it('whose dialog nobody answers lets go when the command is cancelled', () =>
    inState('asking', async ({ vault, home }) => {
      const controller = new AbortController();
      const reading = vault.get('kept', { signal: controller.signal, limitMs: 60_000 });
      await waitFor(() => helperOf(home) !== undefined);
      const reason = cancelled('SIGINT');
      controller.abort(reason);
      await expect(reading).rejects.toBe(reason);
      await waitFor(() => helperOf(home) === undefined);
    }));

  it('that hangs is an error that says so', () =>
    inState('unlocked', async ({ vault, keychain }) => {
      keychain.freeze();
      await expect(vault.get('x', patient())).rejects.toMatchObject({ code: 'CREDENTIAL_STORE', details: { reason: 'silent' } });
    }));

  it.each(['empty', 'absent'] as const)('that is %s counts as missing when something is to be stored', (state) =>
    inState(state, async ({ vault }) => {
      const error = await vault.set('x', 'y', patient()).catch((thrown: unknown) => thrown);
      expect(isMissing(error)).toBe(true);
    }),
  );

  it('whose helper is killed fails that request, and the next one has a new helper', () =>
    inState('unlocked', async ({ vault, home, keychain }) => {
      await vault.set('x', 'y', patient());
      const { pid } = helperOf(home)!;
      keychain.freeze();
      const reading = vault.get('other', patient());
      process.kill(pid, 'SIGKILL');
      await expect(reading).rejects.toMatchObject({ code: 'CREDENTIAL_STORE', message: expect.stringContaining('SIGKILL') });
      await using again = await startKeychain(home, 'unlocked');
      await using other = open(home, again.env);
      expect(await other.vault.get('x', patient())).toBe('y');
    }));

  it('says nothing of what it carries in its command line or environment', () =>
    inState('unlocked', async ({ vault, home }) => {
      await vault.set('x', 'cnry-keychain-value', patient());
      expect(helperOf(home)!.command).not.toContain('cnry');
      expect(findProcesses('cnry-keychain-value')).toEqual([]);
    }));
});

describe('without a bus', () => {
  it('the keychain is missing', async () => {
    await using home = await tempHome();
    await using opened = open(home, { DBUS_SESSION_BUS_ADDRESS: `unix:path=${home.path}/none` });
    const error = await opened.vault.get('x', patient()).catch((thrown: unknown) => thrown);
    expect(isMissing(error)).toBe(true);
  });

  it('a helper that is not there is an error, not an end of mcpctl', async () => {
    await using home = await tempHome();
    await using client = new KeychainClient({ helper: `${home.path}/nothing.cjs`, env: home.env, clock: systemClock });
    await expect(client.request({ do: 'get', name: 'x' }, patient())).rejects.toMatchObject({ code: 'CREDENTIAL_STORE' });
  });
});
