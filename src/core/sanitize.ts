/** Text from servers made safe for a terminal, a log or JSON output: nothing can move the cursor, hide text or reach the clipboard. */

/*
 * Escape sequences in their 7-bit (ESC x) and 8-bit (C1) forms. Each alternative is linear: no nested quantifiers.
 * String sequences (OSC, DCS, SOS, PM, APC) end at BEL or ST; an unterminated one swallows the rest of the line only,
 * so that a stray introducer cannot hide everything that follows.
 */
const escapeSequences =
  /(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?|\x1b[ -/]*[0-~]?/g;

/** C0 without \n and \t, DEL, and C1. */
const controls = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;

/**
 * Characters that reorder or hide text: bidi controls, zero-width characters, line and paragraph separators,
 * invisible operators, fillers, interlinear annotation, and the block of tags and further variation selectors.
 */
const invisibles =
  /[\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb]|\udb40[\udc00-\udfff]/g;

const mayNeedWork =
  /[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\udb40]/;

/** Text that may be written to a terminal or a log: no escape sequence, no control but \n and \t, hidden characters shown as `<U+202E>`. */
export function sanitizeText(text: string): string {
  if (!mayNeedWork.test(text)) return text;
  return text
    .replace(/\r\n/g, '\n')
    .replace(escapeSequences, '')
    .replace(controls, '')
    .replace(invisibles, (hidden) => `<U+${hidden.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0')}>`);
}

/** One line of safe text: newlines and tabs become spaces; at most `maxLength` characters. */
export function sanitizeLine(text: string, maxLength = 500): string {
  const line = sanitizeText(text)
    .replace(/[\n\t]+/g, ' ')
    .trim();
  return line.length > maxLength ? `${line.slice(0, maxLength - 1)}…` : line;
}

/** A copy of `value` in which every string, keys included, is safe for a terminal. */
export function sanitizeData<T>(value: T): T {
  if (typeof value === 'string') return sanitizeText(value) as T;
  if (Array.isArray(value)) return value.map((item) => sanitizeData(item)) as T;
  if (value !== null && typeof value === 'object') {
    const copy: Record<string, unknown> = Object.create(null);
    for (const [key, item] of Object.entries(value)) copy[sanitizeText(key)] = sanitizeData(item);
    return copy as T;
  }
  return value;
}

/** Serialises to JSON in which the characters that `sanitizeText` would remove or show are `\u`-escaped, so that no value is lost. */
export function toSafeJson(value: unknown, indent = 0): string {
  const json = JSON.stringify(value, null, indent) ?? 'null';
  if (!mayNeedWork.test(json)) return json;
  // Raw newlines are JSON.stringify's own indentation; inside strings they are already escaped.
  const unsafe =
    /[\x7f-\x9f]|[\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb]|\udb40[\udc00-\udfff]/g;
  return json.replace(unsafe, (hidden) =>
    Array.from({ length: hidden.length }, (_, i) => `\\u${hidden.charCodeAt(i).toString(16).padStart(4, '0')}`).join(''),
  );
}
