/** Prints the Debian packages of test/support/components.json whose program is not on PATH, for .ci/run. */
import { accessSync, constants, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const components = JSON.parse(readFileSync(new URL('../../test/support/components.json', import.meta.url), 'utf8'));
const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
const missing = Object.values(components).filter(({ command }) => !folders.some((folder) => isExecutable(join(folder, command))));
process.stdout.write(`${[...new Set(missing.map((component) => component.package))].join(' ')}\n`);

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
