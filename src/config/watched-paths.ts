/** Which files decide the configuration, those included that are not there yet. */
import { access } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Config } from './schema.js';
import { settingsFile } from './settings.js';

/** Absolute paths: the files read, the other spelling of the user's file, every place of a project file, and the settings. */
export async function watchedPaths({ files, places }: Pick<Config, 'files' | 'places'>, cwd: string): Promise<string[]> {
  const read = files.map(({ path }) => path);
  const settings = settingsFile(places.configDir);
  // With -c no other file is read.
  if (files.some(({ source }) => source === 'flag')) return [...read, settings];
  const user = [places.userFile, join(places.configDir, 'config.toml')];
  return [...new Set([...read, ...user, ...(await projectPlaces(cwd)), settings])];
}

/** Where a project file may appear: from the working directory up to the root of its repository, else only there. */
async function projectPlaces(cwd: string): Promise<string[]> {
  const folders: string[] = [];
  for (let folder = cwd; ; folder = dirname(folder)) {
    folders.push(folder);
    const isRoot = await access(join(folder, '.git')).then(
      () => true,
      () => false,
    );
    if (isRoot) return folders.map((one) => join(one, '.mcp.json'));
    if (dirname(folder) === folder) return [join(cwd, '.mcp.json')];
  }
}
