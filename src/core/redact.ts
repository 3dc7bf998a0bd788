/** Secrets by value: what was once registered appears in no output, whatever path it takes there. */

/** Shorter values are not registered: they would blank out ordinary words. */
const minSecretLength = 6;
/** Of a secret of several lines, each that is this long is one of its own. */
const minSecretLineLength = 16;
/** Of a secret that a cut has torn, a beginning of this length is masked; less of it helps nobody, and may be an ordinary word. */
const leadLength = 8;
const mask = '[redacted]';
const ellipsis = '…';

/** Names of fields, headers, variables and arguments whose value is treated as a secret. Substring match, any case. */
const secretName = /token|secret|passw|pwd|api[-_]?key|access[-_]?key|private[-_]?key|auth|credential|cookie|session|dsn|bearer/i;

/** Whether a field, header, variable or argument of this name holds a secret. */
export function isSecretName(name: string): boolean {
  return secretName.test(name);
}

/** A registry of secret values and the function that removes them, also in their base64, URL-encoded and JSON-escaped forms. */
export class Redactor {
  readonly #forms = new Set<string>();
  #pattern: RegExp | null = null;
  /** Where one of the longer forms may begin. */
  #leads: RegExp | null = null;

  /** Registers a value. Empty and short values (under 6 characters) are ignored. */
  add(secret: string): void {
    if (secret.length < minSecretLength) return;
    // A key in PEM form is printed and read line by line; its first and last line are the same in every key.
    for (const line of secret.includes('\n') ? secret.split('\n') : []) {
      if (line.trim().length >= minSecretLineLength && !line.startsWith('-----')) this.add(line.trim());
    }
    const bytes = Buffer.from(secret);
    const forms = [
      secret,
      encodeURIComponent(secret),
      JSON.stringify(secret).slice(1, -1),
      bytes.toString('base64').replace(/=+$/, ''),
      bytes.toString('base64url'),
    ];
    const before = this.#forms.size;
    for (const form of forms) this.#forms.add(form);
    if (this.#forms.size !== before) this.#pattern = this.#leads = null;
  }

  /** `text` with every registered value replaced by `[redacted]`, also one of which a cut has left only the beginning, before an ellipsis. */
  redact(text: string): string {
    if (this.#forms.size === 0) return text;
    const whole = text.replace(this.#everyForm(), mask);
    return whole.includes(ellipsis) ? this.#maskTorn(whole) : whole;
  }

  /** Who knows no secrets, as those who read a server's errors, may have cut a text in the middle of one. */
  #maskTorn(text: string): string {
    const forms = [...this.#forms].filter(({ length }) => length > leadLength);
    if (forms.length === 0) return text;
    this.#leads ??= everyPlaceOf(new Set(forms.map((form) => form.slice(0, leadLength))));
    let masked = '';
    let done = 0;
    let end = -1;
    for (const { index } of text.matchAll(this.#leads)) {
      if (index < done) continue;
      if (end < index) end = text.indexOf(ellipsis, index);
      if (end === -1) break;
      const piece = text.slice(index, end);
      if (!forms.some((form) => form.startsWith(piece))) continue;
      masked += text.slice(done, index) + mask;
      done = end;
    }
    return masked + text.slice(done);
  }

  /**
   * The first `length` characters of `text`, redacted, and what follows them, untouched. A value that begins before the cut is
   * masked whole and counts to the first part: neither part shows a piece of it.
   */
  redactStart(text: string, length: number): { readonly start: string; readonly rest: string } {
    let cut = Math.min(length, text.length);
    if (this.#forms.size > 0) {
      for (const { 0: form, index } of text.matchAll(this.#everyForm())) {
        if (index >= cut) break;
        cut = Math.max(cut, index + form.length);
      }
    }
    return { start: this.redact(text.slice(0, cut)), rest: text.slice(cut) };
  }

  #everyForm(): RegExp {
    // Longest first, so that a secret that contains another is removed whole.
    this.#pattern ??= new RegExp(alternatives([...this.#forms].sort((a, b) => b.length - a.length)), 'g');
    return this.#pattern;
  }

  /** A copy of `value` in which every string is redacted. */
  redactData<T>(value: T): T {
    if (this.#forms.size === 0) return value;
    if (typeof value === 'string') return this.redact(value) as T;
    if (Array.isArray(value)) return value.map((item) => this.redactData(item)) as T;
    if (value !== null && typeof value === 'object') {
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, this.redactData(item)])) as T;
    }
    return value;
  }

  /** Whether `text` contains a registered value. */
  has(text: string): boolean {
    return this.redact(text) !== text;
  }
}

/** Finds each of the texts, wherever it begins, also within another. */
function everyPlaceOf(texts: Iterable<string>): RegExp {
  return new RegExp(`(?=${alternatives(texts)})`, 'g');
}

function alternatives(texts: Iterable<string>): string {
  return Array.from(texts, (text) => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('|');
}
