/** Changes to the user's own configuration file: one value at a time, everything else stays as it was typed. */
import { basename, dirname, join } from 'node:path';
import { findNodeAtLocation, type Node } from 'jsonc-parser';
import { McpctlError, rootMessage } from '../core/errors.js';
import { didYouMean } from '../core/suggest.js';
import { readFileIfExists, removeTemporaryFiles, resolveLinks, writeFileAtomic } from '../io/atomic-file.js';
import { withFileLock } from '../io/file-lock.js';
import { JsoncDocument, type JsonValue } from './document.js';
import { configInvalid } from './position.js';
import { limits } from './schema.js';
import type { WriteAccess } from './settings.js';
import { isObject } from './shape.js';

/**
 * Sets `enabled` of one server in `file`. Comments, order, indentation and unknown keys stay; the file is replaced in one step,
 * 0600, under a lock, so that parallel changes all count. Nothing is written when the file says so already.
 *
 * @returns whether the file changed
 * @throws McpctlError CONFIG_INVALID when the file is missing, broken or cannot be written, UNKNOWN_SERVER, TIMEOUT (lock);
 *   the file is untouched then
 */
export async function setEnabled(file: string, server: string, enabled: boolean, access: WriteAccess): Promise<boolean> {
  const target = await resolveLinks(file);
  const lock = join(dirname(target), `.${basename(target)}.lock`);
  try {
    return await withFileLock(lock, access, async () => {
      const before = await readDocument(file, target);
      const text = withEnabled(before, server, enabled);
      if (text === before.text) return false;
      checkEdit(before, text, server, enabled);
      await removeTemporaryFiles(target);
      await writeFileAtomic(target, before.hasBom ? `\uFEFF${text}` : text);
      return true;
    });
  } catch (error) {
    if (error instanceof McpctlError || access.signal?.aborted) throw error;
    throw new McpctlError('CONFIG_INVALID', `${file} could not be changed: ${rootMessage(error)}`, {
      cause: error,
      server,
      hint: 'the file is as it was; make room or correct its permissions, then try again',
      details: { path: file, code: (error as NodeJS.ErrnoException).code ?? null },
    });
  }
}

async function readDocument(file: string, target: string): Promise<JsoncDocument> {
  const read = await readFileIfExists(target, { maxBytes: limits.configFileBytes });
  if (!read)
    throw new McpctlError('CONFIG_INVALID', `${file} does not exist any more`, {
      hint: 'mcpctl config path shows which files are read',
    });
  const document = JsoncDocument.parse(file, read.bytes.toString('utf8'));
  if (document.problems.length > 0) throw configInvalid(document.problems);
  return document;
}

/** The text with `enabled` set: the value replaced, or the key put first, where no comment can be torn from what it explains. */
export function withEnabled(document: JsoncDocument, server: string, enabled: boolean): string {
  const entry = document.root && findNodeAtLocation(document.root, ['mcpServers', server]);
  if (!entry) throw unknownServer(document, server);
  if (entry.type !== 'object')
    throw configInvalid([document.problem('error', ['mcpServers', server], `expected object, got ${entry.type}`)]);
  const { text } = document;
  const current = findNodeAtLocation(entry, ['enabled']);
  if (current) {
    if (current.value === enabled) return text;
    return text.slice(0, current.offset) + String(enabled) + text.slice(current.offset + current.length);
  }
  // Enabled is what a server is without the key.
  if (enabled) return text;
  const { offset, words } = insertion(text, entry, enabled);
  return text.slice(0, offset) + words + text.slice(offset);
}

/** What to put where so that it looks like the property that follows. */
function insertion(text: string, entry: Node, enabled: boolean): { offset: number; words: string } {
  const first = entry.children?.[0];
  const key = `"enabled": ${enabled}${first ? ',' : ''}`;
  const afterBrace = entry.offset + 1;
  const end = first?.offset ?? entry.offset + entry.length - 1;
  const between = text.slice(afterBrace, end);
  const lineEnd = between.search(/\r?\n/);
  if (lineEnd === -1) return { offset: afterBrace, words: ` ${key}${/^\s/.test(between) && first ? '' : ' '}` };

  const lineBreak = between.startsWith('\r', lineEnd) ? '\r\n' : '\n';
  const indent = /^[ \t]*/.exec(text.slice(text.lastIndexOf('\n', end - 1) + 1, end))![0];
  // In an empty object the indentation found is that of the closing brace.
  const ownIndent = first ? indent : `${indent}${indent.startsWith('\t') ? '\t' : '  '}`;
  // A comment on the brace's own line stays there; one that goes on over the next line must not be cut open.
  const head = between.slice(0, lineEnd);
  const isInComment = head.lastIndexOf('/*') > head.lastIndexOf('*/');
  return { offset: isInComment ? afterBrace : afterBrace + lineEnd, words: `${lineBreak}${ownIndent}${key}` };
}

/** The edit must have changed this one value and nothing else; anything else is a bug, and the file is worth more than the command. */
function checkEdit(before: JsoncDocument, text: string, server: string, enabled: boolean): void {
  const after = JsoncDocument.parse(before.file, text);
  const expected = structuredClone(before.value) as { [key: string]: JsonValue };
  ((expected.mcpServers as { [key: string]: JsonValue })[server] as { [key: string]: JsonValue }).enabled = enabled;
  if (after.problems.length === 0 && canonical(after.value) === canonical(expected)) return;
  const { line } = before.position(['mcpServers', server]);
  throw new McpctlError('CONFIG_INVALID', `${before.file} could not be changed safely`, {
    server,
    hint: `set it by hand: "enabled": ${enabled} in mcpServers.${server}, line ${line}`,
  });
}

function canonical(value: JsonValue): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    isObject(item) ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1))) : item,
  );
}

function unknownServer(document: JsoncDocument, server: string): McpctlError {
  const servers = document.at(['mcpServers']);
  const names = isObject(servers) ? Object.keys(servers) : [];
  return new McpctlError('UNKNOWN_SERVER', `There is no server "${server}" in ${document.file}`, {
    server,
    hint: didYouMean(server, names) ?? 'mcpctl servers lists the servers there are',
  });
}
