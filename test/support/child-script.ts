/** Sources of ours in a process of their own: bundles a small script that imports them, and runs it as often as wanted. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { TempHome } from './temp-home.js';

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningScript {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
  /** Resolves when the script has written its first line: from then on it is at work, however slowly the machine started it. */
  readonly speaks: Promise<void>;
}

/** Bundles `source` (ESM; imports relative to `src/`) into the home; the result starts it with `argv` behind `process.argv[1]`. */
export async function childScript(home: TempHome, source: string): Promise<(...argv: string[]) => RunningScript> {
  const file = join(home.path, 'script.mjs');
  await build({
    stdin: { contents: source, resolveDir: fileURLToPath(new URL('../../src', import.meta.url)), loader: 'ts' },
    outfile: file,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    mainFields: ['module', 'main'],
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    logLevel: 'error',
  });
  return (...argv) => {
    const child = spawn(process.execPath, [file, ...argv], { env: home.env, stdio: ['ignore', 'pipe', 'pipe'] });
    const output = { stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
    const finished = new Promise<Finished>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => resolve({ code, signal, ...output }));
    });
    const speaks = new Promise<void>((resolve) => child.stdout.once('data', () => resolve()));
    return { child, finished, speaks };
  };
}
