/** The licences of the packages that the bundle contains, as one text to ship with it. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * @param {string} root where node_modules lies
 * @param {{ outputs: Record<string, { inputs: Record<string, { bytesInOutput: number }> }> }} metafile of esbuild
 * @throws when a bundled package declares no licence at all: such a package must not be shipped
 */
export function thirdPartyNotices(root, metafile) {
  const folders = new Set();
  for (const output of Object.values(metafile.outputs)) {
    for (const [file, { bytesInOutput }] of Object.entries(output.inputs)) {
      const folder = packageFolder(file);
      if (bytesInOutput > 0 && folder !== undefined) folders.add(folder);
    }
  }
  const packages = [...folders].map((folder) => readPackage(root, folder)).sort((a, b) => (a.title < b.title ? -1 : 1));
  const head = `mcpctl contains code of the following ${packages.length} packages.\n`;
  return [
    head,
    ...packages.map(({ title, license, text }) => `${'-'.repeat(80)}\n${title} (${license})\n\n${text.trim()}\n`),
  ].join('\n');
}

/** `node_modules/a/node_modules/@b/c/lib/x.js` → `node_modules/a/node_modules/@b/c`; `undefined` for our own sources. */
export function packageFolder(file) {
  // What a plugin has loaded stands under its name and an absolute path.
  const path = file.replaceAll('\\', '/').replace(/^[\w-]+:.*?(?=node_modules\/)/, '');
  const match = /^(.*\bnode_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path);
  return match?.[1];
}

function readPackage(root, folder) {
  const { name, version, license, author, homepage } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
  const texts = readdirSync(join(root, folder))
    .filter((file) => /^(licen[cs]e|copying|notice)\b/i.test(file))
    .sort()
    .map((file) => readFileSync(join(root, folder, file), 'utf8').trim());
  const spdx = typeof license === 'string' ? license : license?.type;
  if (spdx === undefined && texts.length === 0) throw new Error(`${name}@${version} is bundled but declares no licence`);
  const holder = typeof author === 'string' ? author : author?.name;
  const fallback = `Licensed under ${spdx}${holder ? ` by ${holder}` : ''}; the package carries no licence text.${homepage ? ` ${homepage}` : ''}`;
  return { title: `${name} ${version}`, license: spdx ?? 'see below', text: texts.length > 0 ? texts.join('\n\n') : fallback };
}
