/** `add` by questions: a program, a URL or an example, a name, and a look at what is written before it is. */

import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { entryProblems } from '../config/check-entry.js';
import { literalSecrets, masked, wordsOf } from '../config/literal-secrets.js';
import { parseUrl } from '../config/secrets.js';
import { addServer, findUserFile } from '../config/user-file.js';
import { McpctlError } from '../core/errors.js';
import { sanitizeLine, sanitizeText } from '../core/sanitize.js';
import { entryLines } from './commands/add.js';
import type { FirstRunOptions } from './first-run.js';
import { absoluteProgram } from './input.js';
import { entryOf, type NewEntry, type TypedServer } from './new-server.js';
import { tokenize } from './tokenize.js';

type Prompts = typeof import('./prompts.js');
type Context = NonNullable<Parameters<Prompts['input']>[1]>;

/** How the library says that someone does not want to answer. */
const declined = new Set(['ExitPromptError', 'AbortPromptError', 'CancelPromptError']);

/** @returns whether a server was added; Ctrl-C, Ctrl-D and "no" at any question are a no @throws McpctlError as `addServer` */
export async function askForServer({ session, places, env, stdin, stdout, signal }: FirstRunOptions): Promise<boolean> {
  const { cwd, redactor } = session;
  const left = new AbortController();
  // The library does not notice Ctrl-D and would wait for ever.
  const onKey = (_: unknown, key: { ctrl?: boolean; name?: string } | undefined) => {
    if (key?.ctrl && key.name === 'd') left.abort();
  };
  const onEnd = () => left.abort();
  stdin.on('keypress', onKey);
  stdin.on('end', onEnd);
  try {
    const prompts = await import('./prompts.js');
    const context: Context = { input: stdin, output: stdout, signal: AbortSignal.any([signal, left.signal]) };
    const file = await findUserFile(places);
    const entry = await askForEntry(prompts, context, { cwd, hasNpx: await isInPath('npx', env.PATH ?? '') });
    if (!entry) return false;
    const secrets = literalSecrets(wordsOf(entry));
    for (const secret of secrets) redactor.add(secret);
    const name = await prompts.input(
      {
        message: 'What is it to be called?',
        default: suggestedName(entry),
        validate: (typed) => entryProblems(typed.trim(), entry)[0] ?? true,
      },
      context,
    );
    const server = name.trim();
    stdout.write(`${sanitizeText(entryLines(masked(entry, secrets)).join('\n'))}\n`);
    if (secrets.length > 0)
      stdout.write(`This holds a secret in plain text; \${VAR} would take it from your environment instead.\n`);
    if (!(await prompts.confirm({ message: `Write this to ${sanitizeLine(file)}?`, default: true }, context))) return false;
    await addServer(places, server, entry, { signal });
    stdout.write(`Added ${server} to ${sanitizeLine(file)}\n\n`);
    return true;
  } catch (error) {
    if (!(error instanceof Error && declined.has(error.name))) throw error;
    stdout.write('\n');
    return false;
  } finally {
    stdin.off('keypress', onKey);
    stdin.off('end', onEnd);
  }
}

async function askForEntry(
  prompts: Prompts,
  context: Context,
  { cwd, hasNpx }: { cwd: string; hasNpx: boolean },
): Promise<NewEntry | undefined> {
  const example = ['npx', '-y', '@modelcontextprotocol/server-filesystem', cwd];
  const kind = await prompts.select(
    {
      message: 'Add a first server?',
      choices: [
        ...(hasNpx ? [{ value: 'example', name: `An example: tools for the files in ${sanitizeLine(cwd)}` }] : []),
        { value: 'program', name: 'A program that is started here' },
        { value: 'url', name: 'A URL' },
        { value: 'none', name: 'Not now' },
      ],
    },
    context,
  );
  switch (kind) {
    case 'example':
      return entryOf({ command: example });
    case 'program': {
      const line = await prompts.input(
        { message: 'Command line, as in a shell', validate: (typed) => problemOf(() => ({ command: tokenize(typed) })) },
        context,
      );
      return entryOf({ command: absoluteProgram(tokenize(line), cwd) });
    }
    case 'url': {
      const validate = (typed: string) => problemOf(() => ({ command: [typed.trim()], transport: 'auto' }));
      const url = (await prompts.input({ message: 'URL', validate }, context)).trim();
      const header: string[] = [];
      for (;;) {
        const line = await prompts.input(
          {
            message:
              header.length === 0
                ? `Header, such as Authorization: Bearer \${TOKEN} (Enter for none)`
                : 'Another header (Enter for none)',
            validate: (typed) =>
              typed.trim() === '' || problemOf(() => ({ command: [url], transport: 'auto', header: [...header, typed] })),
          },
          context,
        );
        if (line.trim() === '') break;
        header.push(line);
      }
      const entry = entryOf({ command: [url], transport: 'auto', header });
      delete entry.type;
      return entry;
    }
    default:
      return undefined;
  }
}

/** What is wrong with a server as typed so far, in words; `true` when nothing is. */
function problemOf(typed: () => TypedServer): string | true {
  try {
    const server = typed();
    if ((server.command[0] ?? '') === '') return 'type something, or press Ctrl-C';
    return entryProblems('name', entryOf(server))[0] ?? true;
  } catch (error) {
    if (error instanceof McpctlError) return error.message;
    throw error;
  }
}

/** The last telling word: `server-files` of a package, `search` of a path, the host of a URL. */
function suggestedName({ url, command, args }: NewEntry): string {
  const words = [command, ...(Array.isArray(args) ? args : [])].map(String);
  const runner = /(?:^|\/)(?:npx|uvx|pnpx|bunx|node|python3?|deno|docker)$/;
  const word =
    url === undefined
      ? (words.find((one) => !runner.test(one) && !one.startsWith('-')) ?? words[0]!)
      : (parseUrl(String(url))?.hostname ?? 'server');
  const parts = url === undefined ? word.split('/') : word.split('.').slice(0, -1);
  const last = (parts.at(-1) || word).replace(/@[^@]*$/, '').replace(/\.(?:[cm]?[jt]s|py|sh|exe)$/, '');
  const name = last
    .replace(/^(?:mcp-)?server-|-mcp-server$|-server$|-mcp$/g, '')
    .replace(/[^\w.-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '');
  if (name === 'filesystem') return 'files';
  return name.slice(0, 64) || 'server';
}

async function isInPath(program: string, path: string): Promise<boolean> {
  const folders = path.split(delimiter).filter((folder) => folder !== '');
  const found = await Promise.all(
    folders.map((folder) =>
      access(join(folder, program), constants.X_OK).then(
        () => true,
        () => false,
      ),
    ),
  );
  return found.includes(true);
}
