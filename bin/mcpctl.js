#!/usr/bin/env node
/**
 * Starts mcpctl: checks what an old Node would only answer with a stack trace, answers what needs no program, hands over to the bundle.
 * CommonJS, as the bundle's main: loading an ES module takes Node 5 ms, a fifth of a command that only asks the manager.
 */
'use strict';
const { existsSync, readFileSync } = require('node:fs');
const { join } = require('node:path');

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  fail(`mcpctl needs Node.js 20.19 or newer; this is ${process.version}`, 'install a current Node.js from https://nodejs.org');
} else if (!answered(process.argv.slice(2))) {
  // Saves a good part of each start; before Node 22.1, src/program-loader.ts does it. In the user's own folder: Node's default
  // lies in the shared temporary folder, where another user could plant code for us to run.
  const { env } = process;
  const caches = env.XDG_CACHE_HOME || (env.HOME && join(env.HOME, '.cache')) || env.LOCALAPPDATA;
  const cache = caches && join(caches, 'mcpctl', 'compile-cache');
  if (cache) require('node:module').enableCompileCache?.(cache);
  const dist = join(__dirname, '..', 'dist');
  const main = join(dist, 'main.cjs');
  const incomplete = (error) => {
    const missing = [main, join(dist, 'program.cjs'), error?.path].find((file) => file?.startsWith(dist) && !existsSync(file));
    if (missing === undefined) throw error;
    fail(`${missing} is missing`, 'run `npm run build` in the checkout, or install the package again');
  };
  try {
    require(main).main(cache).catch(incomplete);
  } catch (error) {
    incomplete(error);
  }
}

/** `--version` and `--help` alone: a file each, where loading the program would take half of the time. */
function answered(words) {
  if (words.length !== 1) return false;
  try {
    if (words[0] === '--version' || words[0] === '-V') {
      const { version } = JSON.parse(readFileSync(join(__dirname, '..', 'package.json'), 'utf8'));
      process.stdout.write(`${version}\n`);
      return true;
    }
    if (words[0] === '--help' || words[0] === '-h') {
      process.stdout.write(readFileSync(join(__dirname, '..', 'dist', 'help.txt')));
      return true;
    }
  } catch {
    // The program itself says what is missing.
  }
  return false;
}

function fail(what, hint) {
  process.stderr.write(`error: ${what}\nhint: ${hint}\n`);
  process.exitCode = 1;
}
