/** The signs of another program's shape: where it keeps servers, what it calls things. A glance, so that mcpctl's own shape pays nothing. */
import type { ConfigDocument } from './document.js';
import type { KeyPath } from './position.js';
import { isObject } from './shape.js';

/** Where files keep their servers by name; mcpctl's own place first, the others in the order in which they are looked at. */
export const serverSections: readonly KeyPath[] = [['mcpServers'], ['mcp_servers'], ['servers'], ['mcp', 'servers']];

/** Keys of the file that only other shapes have. */
const foreignFileKeys = new Set([
  'servers',
  'mcp',
  'mcp_servers',
  'connection_pool',
  'retry_policy',
  'circuit_breaker',
  'load_balancer',
  'cache',
]);

/** What other programs call a key of a server, and what it means exactly. Units are in `timings` of `dialect-entry`. */
export const entryNames: Readonly<Record<string, readonly string[]>> = {
  serverUrl: ['url'],
  httpUrl: ['url'],
  uri: ['url'],
  cmd: ['command'],
  environment: ['env'],
  envs: ['env'],
  http_headers: ['headers'],
  includeTools: ['tools', 'include'],
  enabledTools: ['tools', 'include'],
  enabled_tools: ['tools', 'include'],
  excludeTools: ['tools', 'exclude'],
  disabledTools: ['tools', 'exclude'],
  disabled_tools: ['tools', 'exclude'],
  startup_timeout_sec: ['timeouts', 'initialize'],
  startup_timeout_ms: ['timeouts', 'initialize'],
  tool_timeout_sec: ['timeouts', 'call'],
  disabled: ['enabled'],
  bearer_token_env_var: ['headers', 'Authorization'],
  env_http_headers: ['headers'],
};

/** Variables as editors write them; see `dialect-entry` for their meaning. */
export const editorVariable = /\$\{(?:env:|workspaceFolder|userHome|pathSeparator|\/)/;

/** Whether `normalise` of `dialects` has anything to do. */
export function isForeign(document: ConfigDocument): boolean {
  const { value } = document;
  if (!isObject(value)) return false;
  if (Object.keys(value).some((key) => foreignFileKeys.has(key)) || editorVariable.test(document.text)) return true;
  return isObject(value.mcpServers) && Object.values(value.mcpServers).some(isForeignEntry);
}

function isForeignEntry(entry: unknown): boolean {
  if (!isObject(entry)) return false;
  if (typeof entry.command === 'string' && (entry.transport === 'sse' || entry.type === 'sse')) return true;
  if (entry.transport === 'streamable_http' || entry.type === 'streamable_http') return true;
  if (isObject(entry.oauth) && ('clientID' in entry.oauth || 'client_id' in entry.oauth)) return true;
  return Object.keys(entry).some((key) => Object.hasOwn(entryNames, key));
}
