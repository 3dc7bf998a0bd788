/** A real keychain of a test's own: a session bus and gnome-keyring on it, in every state a user's may be in (Linux only). */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Component } from './needs.js';
import { findProcesses } from './no-leftovers.js';
import type { TempHome } from './temp-home.js';

/** What `needs` has to be told. */
export const keychainComponents: readonly Component[] = ['dbus', 'gnome-keyring', 'gdbus', 'secret-tool'];

/**
 * `locked`: a keyring is there and nobody can be asked for its password. `asking`: the same, and the dialog that asks never comes to an
 * answer. `empty`: a daemon without any keyring yet. `absent`: a bus, and no keychain on it.
 */
export type KeychainState = 'unlocked' | 'locked' | 'asking' | 'empty' | 'absent';

export interface Keychain extends AsyncDisposable {
  /** For what is to use it. */
  readonly env: Readonly<Record<string, string>>;
  /** The daemon stops answering, without ending. */
  freeze(): void;
  /** What another program finds under that name; empty when there is nothing. */
  lookup(name: string): Promise<string>;
}

const password = 'test';

/** The keyring lies in the home: one that was unlocked before is there, locked, in the next one. */
export async function startKeychain(home: TempHome, state: KeychainState): Promise<Keychain> {
  const services = join(home.path, 'services');
  await mkdir(services, { recursive: true });
  // Asked for by a locked keyring. This one starts, and never says that it is there.
  const prompter = '[D-BUS Service]\nName=org.gnome.keyring.SystemPrompter\nExec=/bin/sleep 60\n';
  if (state === 'asking') await writeFile(join(services, 'prompter.service'), prompter);
  const config = await home.write('bus.conf', busConfig(home.runtimeDir, state === 'asking' ? services : undefined));
  const env = { ...home.env, DISPLAY: '' };
  const bus = spawn('dbus-daemon', [`--config-file=${config}`, '--nofork', '--print-address'], {
    env,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const address = (await firstLine(bus)).trim();
  const own = { XDG_DATA_HOME: home.env.XDG_DATA_HOME!, DBUS_SESSION_BUS_ADDRESS: address, MCPCTL_CREDENTIAL_STORE: 'auto' };
  const withBus = { ...env, ...own };
  let daemon: ChildProcess | undefined;
  if (state !== 'absent') {
    const unlock = state === 'unlocked' ? ['--unlock'] : [];
    daemon = spawn('gnome-keyring-daemon', ['--foreground', '--components=secrets', ...unlock], {
      env: withBus,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    daemon.stdin?.on('error', () => {});
    daemon.stdin?.end(state === 'unlocked' ? password : '');
    await ended(spawn('gdbus', ['wait', '--session', '--timeout', '10', 'org.freedesktop.secrets'], { env: withBus }));
  }
  return {
    env: own,
    freeze: () => void daemon?.kill('SIGSTOP'),
    lookup: async (name) => {
      const tool = spawn('secret-tool', ['lookup', 'service', 'mcpctl', 'username', name], { env: withBus });
      let text = '';
      tool.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      await ended(tool);
      return text;
    },
    [Symbol.asyncDispose]: async () => {
      // SIGKILL, because a frozen one hears nothing else.
      for (const child of [daemon, bus]) {
        if (!child || child.exitCode !== null || child.signalCode !== null) continue;
        // Not `close`: what the bus has started holds its pipe.
        const gone = new Promise((resolve) => child.once('exit', resolve));
        child.kill('SIGKILL');
        await gone;
      }
      for (const { pid, command } of findProcesses(home.path)) if (command === '/bin/sleep 60') process.kill(pid, 'SIGKILL');
    },
  };
}

function busConfig(folder: string, services: string | undefined): string {
  return `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:dir=${folder}</listen>
  ${services === undefined ? '' : `<servicedir>${services}</servicedir>`}
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
`;
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.stdout!.setEncoding('utf8').once('data', resolve);
    child.once('error', reject).once('exit', (code) => reject(new Error(`dbus-daemon ended with ${code}`)));
  });
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('error', reject).once('close', () => resolve());
  });
}
