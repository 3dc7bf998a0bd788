/** Which files decide the configuration, those included that are not there yet. */
import { projectPlaces } from './project.js';
import type { Config } from './schema.js';
import { settingsFile } from './settings.js';

/** Absolute paths: the files read, the other spelling of the user's file, every place of a project file, and the settings. */
export function watchedPaths({ files, places }: Pick<Config, 'files' | 'places'>, cwd: string): string[] {
  const read = files.map(({ path }) => path);
  const settings = settingsFile(places.configDir);
  // With -c no other file is read.
  if (files.some(({ source }) => source === 'flag')) return [...read, settings];
  return [...new Set([...read, places.userFile, places.userToml, ...projectPlaces(cwd), settings])];
}
