/** Examples in the documents: found by the comment above them, and taken apart into the commands they show and what those print. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { tokenize } from '../../src/cli/tokenize.js';
import { runCli } from './run-cli.js';
import type { TempHome } from './temp-home.js';

export const root = fileURLToPath(new URL('../..', import.meta.url));

/** The text between `<!-- name -->` and the end of the next fenced block, without the fence. */
export function block(page: string, name: string): string {
  const text = readFileSync(`${root}/${page}`, 'utf8');
  const found = new RegExp(`<!-- ${name} -->\n\`\`\`\\w*\n([\\s\\S]*?)\n\`\`\``).exec(text)?.[1];
  if (found === undefined) throw new Error(`${page} has no block <!-- ${name} -->`);
  return found;
}

export interface ShownRun {
  /** As shown, without `$ `. */
  readonly line: string;
  /** What both streams print, and with `; echo $?` the exit code: as the document has it, and as it is. */
  readonly shown: string;
  readonly real: string;
}

/** Runs every `$ mcpctl …` of a block, in order. `extra`: words that the document leaves out. */
export async function runBlock(
  example: string,
  { home, extra = [], ...options }: { home: TempHome; extra?: readonly string[]; cwd?: string; env?: Record<string, string> },
): Promise<ShownRun[]> {
  const runs: ShownRun[] = [];
  for (const run of example.split(/^\$ /m).slice(1)) {
    const [line = '', ...shown] = run.trimEnd().split('\n');
    const wantsCode = line.endsWith('; echo $?');
    const [program, ...words] = tokenize(line.replace(/; echo \$\?$/, ''));
    if (program !== 'mcpctl') throw new Error(`not a command of ours: ${line}`);
    const { stdout, stderr, code } = await runCli([...extra, ...words], { home, ...options });
    // What is noted on the way comes before the result, an error after it.
    const printed = stderr.startsWith('error:') ? stdout + stderr : stderr + stdout;
    runs.push({ line, shown: shown.join('\n'), real: `${printed}${wantsCode ? `${code}\n` : ''}`.trimEnd() });
  }
  return runs;
}
