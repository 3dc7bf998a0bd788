/** One server as another program writes it, put into mcpctl's words. */
import { basename, dirname } from 'node:path';
import type { Draft, JsonObject } from './dialect-draft.js';
import { editorVariable, entryNames } from './dialect-signs.js';
import type { JsonValue } from './document.js';
import type { KeyPath } from './position.js';
import { isObject } from './shape.js';

/** Numbers that are times: their unit is in their name. */
const timings: Readonly<Record<string, string>> = { startup_timeout_sec: 's', startup_timeout_ms: 'ms', tool_timeout_sec: 's' };

/** `entry` is the draft's own object. */
export function normaliseEntry(draft: Draft, name: string, entry: JsonObject): void {
  const path: KeyPath = ['mcpServers', name];
  addressAsCommand(draft, path, entry);
  for (const key of ['type', 'transport']) if (entry[key] === 'streamable_http') entry[key] = 'streamable-http';
  for (const key of Object.keys(entry)) {
    const target = Object.hasOwn(entryNames, key) ? entryNames[key] : undefined;
    if (target) rename(draft, path, entry, key, target);
  }
  renameIn(draft, path, entry, 'oauth', ['clientID', 'client_id'], 'clientId');
  if (editorVariable.test(draft.written.text)) replaceVariables(draft, entry);
}

/** `{ "transport": "sse", "command": "https://…", "env": { headers } }`. */
function addressAsCommand(draft: Draft, path: KeyPath, entry: JsonObject): void {
  const isSse = entry.transport === 'sse' || entry.type === 'sse';
  if (!isSse || typeof entry.command !== 'string' || !/^(?:https?:\/\/|\$\{)/i.test(entry.command)) return;
  const { command, env } = entry;
  if (Array.isArray(entry.args) && entry.args.length === 0) delete entry.args;
  if (!draft.put([...path, 'url'], command, draft.origin([...path, 'command']))) return;
  delete entry.command;
  if (!isObject(env)) return;
  const origin = draft.origin([...path, 'env']);
  delete entry.env;
  if (Object.keys(env).length === 0) return;
  for (const [header, value] of Object.entries(env)) draft.put([...path, 'headers', header], value, [...origin, header]);
}

/** Moves the value of `key` to the place mcpctl has for it, in mcpctl's unit. A value of the wrong type moves as it is and is refused there. */
function rename(draft: Draft, path: KeyPath, entry: JsonObject, key: string, target: readonly string[]): void {
  const origin = draft.origin([...path, key]);
  const written = entry[key]!;
  const unit = timings[key];
  if (key === 'disabled' && typeof written !== 'boolean') {
    draft.error(origin, 'expected true or false');
    return;
  }
  if (key === 'env_http_headers') {
    if (!isObject(written)) {
      draft.error(origin, 'expected an object with the name of a variable for each header');
      return;
    }
    delete entry[key];
    for (const [header, variable] of Object.entries(written)) {
      draft.put([...path, 'headers', header], reference(variable), [...origin, header]);
    }
    return;
  }
  delete entry[key];
  if (key === 'http_headers' && isObject(written)) {
    for (const [header, value] of Object.entries(written)) draft.put([...path, 'headers', header], value, [...origin, header]);
    return;
  }
  let value: JsonValue = written;
  if (key === 'disabled') value = !written;
  else if (unit !== undefined && typeof written === 'number') value = `${written}${unit}`;
  else if (key === 'bearer_token_env_var' && typeof written === 'string') value = `Bearer ${reference(written)}`;
  const isThere = draft.put([...path, ...target], value, origin);
  if (isThere && key === 'httpUrl' && entry.type === undefined && entry.transport === undefined) {
    draft.put([...path, 'type'], 'http', origin);
  }
}

function renameIn(draft: Draft, path: KeyPath, entry: JsonObject, part: string, names: readonly string[], target: string): void {
  for (const name of names) {
    const inner = entry[part];
    if (!isObject(inner) || !Object.hasOwn(inner, name)) continue;
    const own = draft.own(inner);
    entry[part] = own;
    const value = own[name]!;
    delete own[name];
    draft.put([...path, part, target], value, [...draft.origin([...path, part]), name]);
  }
}

/** A variable by its name, as mcpctl writes it. Anything but a name stays, to be refused by its type. */
function reference(variable: JsonValue): JsonValue {
  return typeof variable === 'string' ? `\${${variable}}` : variable;
}

/** Replaces the variables of editors in every string that mcpctl expands. Those without a meaning here stay, which is an error of the server. */
function replaceVariables(draft: Draft, entry: JsonObject): void {
  const replace = (value: JsonValue): JsonValue => {
    if (typeof value === 'string') return replaced(value, draft.written.file);
    if (Array.isArray(value)) return value.map(replace);
    if (!isObject(value)) return value;
    const copy = draft.own(value);
    for (const [key, item] of Object.entries(copy)) copy[key] = replace(item);
    return copy;
  };
  for (const key of ['command', 'args', 'env', 'cwd', 'url', 'headers']) {
    if (entry[key] !== undefined) entry[key] = replace(entry[key]);
  }
}

function replaced(text: string, file: string): string {
  const folder = dirname(file);
  // The editor's file lies in a folder of its own inside the workspace.
  const workspace = ['.vscode', '.cursor'].includes(basename(folder)) ? dirname(folder) : folder;
  return text.replace(/(\$?)\$\{([^{}]*)\}/g, (all, escaped: string, inside: string) => {
    if (escaped !== '') return all;
    if (/^env:[A-Za-z_][A-Za-z0-9_]*$/.test(inside)) return `\${${inside.slice(4)}}`;
    if (inside === 'workspaceFolder') return literal(workspace);
    if (inside === 'workspaceFolderBasename') return literal(basename(workspace));
    // Windows has no HOME; there the user's folder is USERPROFILE.
    if (inside === 'userHome') return `\${HOME}`;
    if (inside === 'pathSeparator' || inside === '/') return '/';
    return all;
  });
}

/** A path as text that expands to itself. */
function literal(text: string): string {
  return text.replaceAll('${', () => '$${');
}
