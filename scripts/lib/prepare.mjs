/** Makes a checkout ready to run: installs the packages and builds, each only when needed; everything it says goes to stderr. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isFresh } from './build-stamp.mjs';

/** An expected failure: what happened and the next step. */
export class PrepareError extends Error {
  constructor(message, hint) {
    super(message);
    this.hint = hint;
  }
}

/** Runs `action`; an expected failure is printed as mcpctl prints its own, and ends the process with 1. */
export async function orExplain(action) {
  try {
    return await action();
  } catch (error) {
    if (!(error instanceof PrepareError)) throw error;
    process.stderr.write(`error: ${error.message}\nhint: ${error.hint}\n`);
    process.exit(1);
  }
}

/** Installs and builds in `root` as far as needed. @throws PrepareError */
export async function prepare(root) {
  checkNode(root);
  if (installNeeded(root)) await install(root);
  if (!isFresh(root)) await runBuild(root);
}

function checkNode(root) {
  const wanted = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).engines.node;
  const [, major, minor] = /^>=(\d+)\.(\d+)/.exec(wanted).map(Number);
  const [ownMajor, ownMinor] = process.versions.node.split('.').map(Number);
  if (ownMajor > major || (ownMajor === major && ownMinor >= minor)) return;
  throw new PrepareError(
    `mcpctl needs Node.js ${wanted}; this is ${process.version}`,
    'install a current Node.js from https://nodejs.org',
  );
}

/** Whether node_modules differs from package-lock.json. npm leaves its own account of what it installed; optional packages of other platforms are rightly absent there. */
export function installNeeded(root) {
  const installedFile = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(installedFile)) return true;
  const wanted = packagesOf(join(root, 'package-lock.json'));
  const installed = packagesOf(installedFile);
  return Object.entries(wanted).some(([path, entry]) => {
    if (path === '' || entry.link) return false;
    const present = installed[path];
    if (present === undefined) return !entry.optional || isForThisMachine(entry);
    return present.version !== entry.version || present.integrity !== entry.integrity || !existsSync(join(root, path));
  });
}

/** Whether npm would install an optional package here. Which C library it is for only npm can tell: such a package decides nothing. */
function isForThisMachine({ os, cpu, libc }) {
  const fits = (list, own) => list === undefined || list.includes(own) || (list[0]?.startsWith('!') && !list.includes(`!${own}`));
  return (os !== undefined || cpu !== undefined) && libc === undefined && fits(os, process.platform) && fits(cpu, process.arch);
}

function packagesOf(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages ?? {};
  } catch (error) {
    throw new PrepareError(
      `cannot read ${file}: ${error.message}`,
      'restore it with `git checkout package-lock.json`, or remove node_modules',
    );
  }
}

async function install(root) {
  process.stderr.write('installing the packages (npm ci) …\n');
  // --include=dev: with NODE_ENV=production npm would leave out what builds mcpctl. --loglevel: `npm start --silent` is
  // handed down to this npm too, and would hide why it failed.
  const options = ['--include=dev', '--no-audit', '--no-fund', '--no-update-notifier', '--loglevel=notice'];
  const [command, ...args] = [...npm(), 'ci', ...options];
  const { code, stderr } = await runToStderr(command, args, root);
  if (code === 'ENOENT')
    throw new PrepareError(
      'npm was not found',
      'install Node.js together with npm from https://nodejs.org, then run the same command again',
    );
  if (code === 0) return;
  const network = /\b(ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ECONNREFUSED|ECONNRESET|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT)\b/.exec(
    stderr,
  )?.[1];
  if (network) {
    throw new PrepareError(
      `the packages could not be downloaded (${network})`,
      'check the network, or the proxy and registry in `npm config list`, then run the same command again',
    );
  }
  throw new PrepareError(`npm ci failed with exit code ${code}`, 'see the lines of npm above, then run the same command again');
}

async function runBuild(root) {
  if (!existsSync(join(root, 'src', 'main.ts')))
    throw new PrepareError('src/main.ts is missing', 'run this in a complete checkout');
  const { code } = await runToStderr(process.execPath, [join(root, 'scripts', 'build.mjs')], root);
  if (code !== 0) throw new PrepareError('the build failed', 'see the lines above; `npm run check` shows type errors');
}

/** npm tells its scripts where it lives; without it, PATH decides. */
function npm() {
  const own = process.env.npm_execpath;
  if (own?.endsWith('.js') && existsSync(own)) return [process.execPath, own];
  return [process.platform === 'win32' ? 'npm.cmd' : 'npm'];
}

/** Runs a program with its output on our stderr; stdout belongs to the command the user wants to see. */
function runToStderr(command, args, cwd) {
  return new Promise((resolve) => {
    let stderr = '';
    const child = spawn(command, args, { cwd, stdio: ['ignore', 2, 'pipe'], shell: command.endsWith('.cmd') });
    child.stderr.on('data', (chunk) => {
      process.stderr.write(chunk);
      stderr = (stderr + chunk).slice(-64_000);
    });
    child.once('error', (error) => resolve({ code: error.code, stderr }));
    child.once('close', (code, signal) => resolve({ code: code ?? signal, stderr }));
  });
}
