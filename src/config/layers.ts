/** The layers a configuration is made of, lowest first, and how they become one: a server whole from one file, defaults value by value. */
import type { Env } from './paths.js';
import { type DefaultValues, mergeDefaults, type PresetName, presets } from './presets.js';
import type { Project } from './project.js';
import type { LoadedFile } from './read-file.js';
import type { ServerEntry } from './shape.js';
import type { ApprovalRecord } from './trust.js';

/** Everything a configuration was made of, by reference: whoever explains it works it out again from here. */
export interface Layers {
  readonly preset: PresetName;
  /** In the order read; a later file wins. */
  readonly files: readonly LoadedFile[];
  /** Undefined outside a project, and with `-c`. */
  readonly project: Project | undefined;
  /** The approvals for the project's file that count. */
  readonly approvals: ReadonlyMap<string, ApprovalRecord>;
  /** What `${VAR}` is looked up in. */
  readonly env: Env;
}

/** One entry of one file. */
export interface Definition {
  readonly name: string;
  readonly entry: ServerEntry;
  readonly file: ParsedFile;
}

export type ParsedFile = Pick<LoadedFile, 'path' | 'source'> & Required<Pick<LoadedFile, 'parsed'>>;

/** The definitions of every server, lowest layer first. */
export function definitionsOf(files: readonly LoadedFile[]): Map<string, Definition[]> {
  const all = new Map<string, Definition[]>();
  for (const { path, source, parsed } of files) {
    for (const [name, entry] of Object.entries(parsed?.content.mcpServers ?? {})) {
      const definition = { name, entry, file: { path, source, parsed: parsed! } };
      const earlier = all.get(name);
      if (earlier) earlier.push(definition);
      else all.set(name, [definition]);
    }
  }
  return all;
}

/** The defaults of the preset and of all files together. */
export function defaultsOf(preset: PresetName, files: readonly LoadedFile[]): DefaultValues {
  return mergeDefaults([presets[preset], ...files.map(({ parsed }) => parsed?.content.defaults)]);
}
