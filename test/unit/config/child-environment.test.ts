/** What a server's process sees of our environment. */
import { describe, expect, it } from 'vitest';
import { childEnvironment } from '../../../src/config/child-environment.js';

const caller = {
  HOME: '/home/ann',
  LANG: 'C.UTF-8',
  LC_ALL: 'C',
  LOGNAME: 'ann',
  PATH: '/bin',
  SHELL: '/bin/sh',
  TERM: 'xterm',
  TMPDIR: '/tmp',
  TZ: 'UTC',
  USER: 'ann',
  AWS_SECRET_ACCESS_KEY: 'secret',
  GITHUB_TOKEN: 'secret',
  NODE_OPTIONS: '--require=/evil.js',
  LD_PRELOAD: '/evil.so',
  XDG_RUNTIME_DIR: '/run/user/1000',
  MCPCTL_VAULT_KEY: 'secret',
  UNSET: undefined,
};

describe('childEnvironment', () => {
  it('passes the 10 names of the allow-list and nothing else, then adds what is configured', () => {
    const child = childEnvironment(caller, { env: { DEBUG: '1', PATH: '/opt/bin' }, inheritEnv: false });
    expect({ ...child }).toEqual({
      HOME: '/home/ann',
      LANG: 'C.UTF-8',
      LC_ALL: 'C',
      LOGNAME: 'ann',
      PATH: '/opt/bin',
      SHELL: '/bin/sh',
      TERM: 'xterm',
      TMPDIR: '/tmp',
      TZ: 'UTC',
      USER: 'ann',
      DEBUG: '1',
    });
  });

  it('passes everything but MCPCTL_* with inheritEnv, and a configured MCPCTL_* all the same', () => {
    const { MCPCTL_VAULT_KEY: _own, UNSET: _unset, ...others } = caller;
    expect({ ...childEnvironment(caller, { env: { MCPCTL_X: 'meant' }, inheritEnv: true }) }).toEqual({
      ...others,
      MCPCTL_X: 'meant',
    });
  });

  it('never passes an exported shell function under an allowed name', () => {
    expect({ ...childEnvironment({ TERM: '() { :; }; echo evil' }, { env: {}, inheritEnv: false }) }).toEqual({});
  });

  it('knows the names Windows needs, in any case, and lets a configured Path replace PATH there', () => {
    const windows = { OS: 'Windows_NT', SystemRoot: 'C:\\Windows', Path: 'C:\\bin', AppData: 'C:\\a', SECRET: 'x' };
    expect({ ...childEnvironment(windows, { env: { PATH: 'D:\\bin' }, inheritEnv: false }) }).toEqual({
      SystemRoot: 'C:\\Windows',
      AppData: 'C:\\a',
      PATH: 'D:\\bin',
    });
  });
});
