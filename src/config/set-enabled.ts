/** Enables or disables a server for good, in the place that fits where it was defined. */
import type { Config, ServerConfig } from './schema.js';
import { setOverride, settingsFile, type WriteAccess } from './settings.js';
import { setEnabled } from './user-file.js';

export interface EnabledChange {
  /** The file that was written, or `null` when it said so already. */
  readonly file: string | null;
  /** Something to tell the user besides. */
  readonly warning: string | null;
}

/**
 * Sets whether `server` is enabled: in the user's file when it is defined there; otherwise as an override in the settings,
 * which goes away again as soon as it says the same as the file.
 *
 * @throws McpctlError CONFIG_INVALID when the place cannot be written or the user's file is broken; nothing is changed then
 */
export async function setServerEnabled(
  { places: { configDir } }: Pick<Config, 'places'>,
  server: ServerConfig,
  enabled: boolean,
  access: WriteAccess,
): Promise<EnabledChange> {
  if (server.source === 'user') {
    const isChanged = await setEnabled(server.file, server.name, enabled, access);
    return { file: isChanged ? server.file : null, warning: null };
  }
  const override = enabled === server.enabledInFile ? null : enabled;
  const { isChanged, warning } = await setOverride(
    configDir,
    { file: server.file, server: server.name, enabled: override },
    access,
  );
  return { file: isChanged ? settingsFile(configDir) : null, warning: warning?.message ?? null };
}
