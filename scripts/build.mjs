/** Builds dist/: one readable bundle with lazy chunks from src/, the licences of what it contains, and the stamp of its sources. */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build as esbuild, transform } from 'esbuild';
import { contentStamp, filesOfBuild, isFresh, stampFile } from './lib/build-stamp.mjs';
import { hotPathTogether } from './lib/hot-path.mjs';
import { loadSource } from './lib/load-source.mjs';
import { thirdPartyNotices } from './lib/notices.mjs';
import { ownZod } from './lib/own-zod.mjs';

/** The programs: the name in dist/ and the source. */
const entries = { 'keychain-helper': 'src/auth/keychain-helper.ts', program: 'src/program.ts', main: 'src/main.ts' };

/** Native code, loaded at run time where it is installed. */
const external = ['@napi-rs/keyring'];

/** Bundled CommonJS packages call `require` for Node's own modules; an ES module has none. */
const banner = 'import{createRequire as __cr}from"node:module";const require=__cr(import.meta.url);';

const here = fileURLToPath(import.meta.url);
if (resolve(process.argv[1] ?? '') === here) {
  const root = dirname(dirname(here));
  if (process.argv.includes('--if-stale') && isFresh(root)) process.exit(0);
  const startMs = performance.now();
  try {
    const { files, bytes } = await build(root, { isClean: process.argv.includes('--clean') });
    process.stderr.write(
      `built dist/: ${files} files, ${Math.round(bytes / 1024)} KB, ${Math.round(performance.now() - startMs)} ms\n`,
    );
  } catch (error) {
    // esbuild has already shown file, line and column of its own errors.
    if (!Array.isArray(error.errors)) process.stderr.write(`error: the build failed: ${error.message}\n`);
    process.exit(1);
  }
}

/** How sources become the bundle; the benchmarks bundle parts of them in the same way. */
export function bundleOptions(root) {
  return {
    absWorkingDir: root,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    // Some packages have a UMD main whose inner requires no bundler can see; their ES module has none.
    mainFields: ['module', 'main'],
    external,
    plugins: [ownZod(root)],
    alias: { '@modelcontextprotocol/client/_shims': join(root, 'scripts/lib/sdk-shims.mjs') },
    banner: { js: banner },
    // Half of the bytes, 5 ms less for a cold call; names stay, so that a stack can be read. A map would double the package.
    minifyWhitespace: true,
    minifySyntax: true,
    sourcemap: false,
    logLevel: 'warning',
  };
}

/** Builds into `<root>/dist`. Running programs keep working: new files come first, the entries last, stale chunks go at the end. */
export async function build(root, { isClean = false } = {}) {
  // Taken before reading: a source that changes during the build makes this build stale, not wrongly fresh.
  const stamp = contentStamp(root);
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const common = {
    ...bundleOptions(root),
    outdir: 'dist',
    define: { __MCPCTL_VERSION__: JSON.stringify(version) },
    metafile: true,
    write: false,
  };
  const { outputFiles: parts, metafile } = await esbuild({
    ...common,
    banner: {},
    entryPoints: [{ in: entries.program, out: 'program' }],
    chunkNames: 'chunks/[name]-[hash]',
    outExtension: { '.js': '.cjs' },
    plugins: [...common.plugins, hotPathTogether(root)],
  });
  const programFiles = await Promise.all(parts.map(asCommonJs));
  const hash = createHash('sha256');
  for (const { path, contents } of programFiles) hash.update(`${relative(root, path)}\0`).update(contents);
  // One file, so that a command which only asks a manager reads nothing else; it shares no module with the program it may start.
  const single = {
    ...common,
    splitting: false,
    format: 'cjs',
    outExtension: { '.js': '.cjs' },
    banner: {},
    // program-loader.ts keeps the compiled code of one build.
    define: { ...common.define, 'import.meta.dirname': '__dirname', __BUILD__: JSON.stringify(hash.digest('hex').slice(0, 16)) },
  };
  const { outputFiles: mainFiles } = await esbuild({
    ...single,
    entryPoints: [{ in: entries.main, out: 'main' }],
  });
  // A process of its own, which needs next to nothing.
  const { outputFiles: helperFiles } = await esbuild({
    ...single,
    entryPoints: [{ in: entries['keychain-helper'], out: 'keychain-helper' }],
  });
  const outputFiles = [...programFiles, ...mainFiles, ...helperFiles];

  const dist = join(root, 'dist');
  const contents = new Map(outputFiles.map((file) => [relative(dist, file.path).replaceAll('\\', '/'), file.contents]));
  // bin/mcpctl.js prints it without loading the program.
  const { explain, registry } = await loadSource(
    root,
    "export { registry } from './src/cli/registry.ts'; export { explain } from './src/cli/help.ts';",
  );
  contents.set('help.txt', Buffer.from(`${explain(undefined, registry, 'shell').help}\n`));
  const { configJsonSchema } = await loadSource(root, "export { configJsonSchema } from './src/config/json-schema.ts';");
  contents.set('config.schema.json', Buffer.from(`${JSON.stringify(configJsonSchema(), null, 2)}\n`));
  contents.set('THIRD_PARTY_NOTICES.txt', Buffer.from(thirdPartyNotices(root, metafile)));
  // Entries last, main at the very end.
  const rank = (file) => Object.keys(entries).indexOf(file.replace(/\.c?js$/, ''));
  const files = [...contents.keys()].sort((a, b) => rank(a) - rank(b));
  for (const file of files) replaceFile(join(dist, file), contents.get(file));

  // What runs now loads chunks of the build before when it comes to them; a package has no use for those.
  const before = filesOfBuild(root);
  const sizes = Object.fromEntries(files.map((file) => [file, contents.get(file).length]));
  replaceFile(join(root, stampFile), `${JSON.stringify({ stamp, files: sizes })}\n`);
  removeOthers(dist, new Set([...files, ...(isClean ? [] : before), relative(dist, join(root, stampFile))]));
  return { files: files.length, bytes: Object.values(sizes).reduce((sum, bytes) => sum + bytes, 0) };
}

/** esbuild splits ES modules only; Node loads CommonJS faster, and program-loader.ts can keep what it is compiled to. */
async function asCommonJs({ path, text }) {
  const { code } = await transform(text, {
    format: 'cjs',
    platform: 'node',
    target: 'node20',
    supported: { 'dynamic-import': false },
    define: { 'import.meta.url': '__moduleUrl' },
    banner: text.includes('import.meta.url') ? 'const __moduleUrl=require("node:url").pathToFileURL(__filename).href;' : '',
    minifyWhitespace: true,
    logLevel: 'warning',
  });
  const beyond = /[^\x00-\x7f]/.exec(code);
  // program-loader.ts reads it so. What esbuild cannot escape is in regular expressions: \uXXXX does it there.
  if (beyond) throw new Error(`${path} is not ASCII: ${code.slice(Math.max(0, beyond.index - 60), beyond.index + 20)}`);
  return { path, contents: Buffer.from(code) };
}

/** Readers see the old file or the new one, never a part. */
function replaceFile(target, content) {
  mkdirSync(dirname(target), { recursive: true });
  const temporary = `${target}.${process.pid}.tmp`;
  writeFileSync(temporary, content);
  renameSync(temporary, target);
}

/** Removes what this build did not make, except the half-written files of a build that runs at the same time. */
function removeOthers(dist, keep) {
  for (const name of readdirSync(dist, { recursive: true })) {
    const file = name.replaceAll('\\', '/');
    if (keep.has(file) || file.endsWith('.tmp')) continue;
    const path = join(dist, file);
    if (statSync(path, { throwIfNoEntry: false })?.isFile()) rmSync(path, { force: true });
  }
}
