/** Where files are looked for. */
import { describe, expect, it } from 'vitest';
import { findPlaces } from '../../../src/config/paths.js';

describe('findPlaces', () => {
  it('uses the defaults below home and the temporary folder when nothing is set', () => {
    expect(findPlaces({}, '/home/ann', '/tmp', 1000)).toEqual({
      configDir: '/home/ann/.config/mcpctl',
      stateDir: '/home/ann/.local/state/mcpctl',
      runtimeDir: '/tmp/mcpctl-1000',
      userFile: '/home/ann/.config/mcpctl/config.json',
      userToml: '/home/ann/.config/mcpctl/config.toml',
    });
  });

  it('prefers the XDG folders, each with its own folder for mcpctl', () => {
    const env = { XDG_CONFIG_HOME: '/x/config', XDG_STATE_HOME: '/x/state', XDG_RUNTIME_DIR: '/run/user/1000' };
    expect(findPlaces(env, '/home/ann', '/tmp', 1000)).toEqual({
      configDir: '/x/config/mcpctl',
      stateDir: '/x/state/mcpctl',
      runtimeDir: '/run/user/1000/mcpctl',
      userFile: '/x/config/mcpctl/config.json',
      userToml: '/x/config/mcpctl/config.toml',
    });
  });

  it('prefers MCPCTL_*_DIR to XDG and uses it as it stands', () => {
    const env = {
      MCPCTL_CONFIG_DIR: '/m/c',
      MCPCTL_STATE_DIR: '/m/s',
      MCPCTL_RUNTIME_DIR: '/m/r',
      XDG_CONFIG_HOME: '/x',
      XDG_STATE_HOME: '/x',
      XDG_RUNTIME_DIR: '/x',
    };
    expect(findPlaces(env, '/home/ann', '/tmp', 1000)).toEqual({
      configDir: '/m/c',
      stateDir: '/m/s',
      runtimeDir: '/m/r',
      userFile: '/m/c/config.json',
      userToml: '/m/c/config.toml',
    });
  });

  it('takes an empty or relative variable for unset, so that the working directory never matters', () => {
    const env = { MCPCTL_CONFIG_DIR: '', XDG_CONFIG_HOME: 'relative', MCPCTL_STATE_DIR: './s', XDG_RUNTIME_DIR: '' };
    expect(findPlaces(env, '/home/ann', '/tmp', undefined)).toMatchObject({
      configDir: '/home/ann/.config/mcpctl',
      stateDir: '/home/ann/.local/state/mcpctl',
      runtimeDir: '/tmp/mcpctl',
    });
  });
});
