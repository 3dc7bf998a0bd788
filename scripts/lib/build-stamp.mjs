/** Tells whether dist/ belongs to the present sources: a hash over everything that goes into a build. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** What a build reads, relative to the root. Folders count with every file in them. */
const inputs = ['src', 'package.json', 'package-lock.json', 'scripts/build.mjs', 'scripts/lib'];

/** Written last by a build, so that its presence means a complete one. */
export const stampFile = 'dist/.build.json';

/** The hash of the sources as they are now. */
export function contentStamp(root) {
  const hash = createHash('sha256');
  for (const input of inputs) {
    for (const file of filesOf(root, input)) {
      const content = readFileSync(join(root, file));
      // Name and length first: moving bytes from one file to the next changes the hash.
      hash.update(`${file}\0${content.length}\0`).update(content);
    }
  }
  return hash.digest('hex');
}

/** Whether dist/ was built from the present sources and every file of that build is still there. */
export function isFresh(root) {
  try {
    const { stamp, files } = JSON.parse(readFileSync(join(root, stampFile), 'utf8'));
    const complete = Object.entries(files).every(([file, bytes]) => statSync(join(root, 'dist', file)).size === bytes);
    return complete && stamp === contentStamp(root);
  } catch {
    return false;
  }
}

function filesOf(root, input) {
  if (statSync(join(root, input)).isFile()) return [input];
  const names = readdirSync(join(root, input), { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  return names.flatMap((entry) => (entry.isDirectory() ? filesOf(root, `${input}/${entry.name}`) : [`${input}/${entry.name}`]));
}

/** The files of the build that lies in dist/ now, relative to it. */
export function filesOfBuild(root) {
  try {
    return Object.keys(JSON.parse(readFileSync(join(root, stampFile), 'utf8')).files);
  } catch {
    return [];
  }
}
