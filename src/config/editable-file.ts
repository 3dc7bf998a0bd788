/** A configuration file that can be edited as text, whatever language it is written in. */
import { type ConfigDocument, isToml, JsoncDocument, type JsonValue } from './document.js';
import { JsoncText } from './jsonc-edit.js';
import type { KeyPath } from './position.js';

/** Edits return the new text; `undefined` where the file is written in a way that no small change of its text can do it. */
export interface EditableFile {
  /** As written, before anything is put into mcpctl's own shape. */
  readonly document: ConfigDocument & { readonly hasBom: boolean };
  /** The same file with another text. */
  parse(text: string): EditableFile;
  withServer(section: KeyPath, name: string, entry: JsonValue): string | undefined;
  /** `path` leads to the server. */
  withoutServer(path: KeyPath): string | undefined;
  /** Sets a key of the server at `path`, in place or as a new one. */
  withFlag(path: KeyPath, key: string, value: boolean): string | undefined;
  /** The lines a person would write for `value` at `path`. */
  byHand(path: KeyPath, value: JsonValue): string[];
}

/** Opens a text for editing, in the language that the file's name tells. */
export async function editableFile(file: string, text: string): Promise<EditableFile> {
  if (!isToml(file)) return new JsoncText(JsoncDocument.parse(file, text));
  const { TomlText } = await import('./toml-edit.js');
  return TomlText.open(file, text);
}
