/** Names of tools as labels: servers choose them, so their number and their length are bounded, and nothing in them is believed. */

import { sanitizeLine } from '../core/sanitize.js';

export const toolLabelLimits = { perServer: 200, altogether: 500, length: 128 } as const;

/** Where the calls of all further tools are counted. */
export const otherTools = 'other';

export class ToolLabels {
  readonly #redact: (text: string) => string;
  readonly #servers = new Map<string, Map<string, string>>();
  #count = 0;

  /** @param redact takes secrets out, which a server that was told one could call its tools by */
  constructor(redact: (text: string) => string = (text) => text) {
    this.#redact = redact;
  }

  /** The label of a tool: its name for the first 200 of a server and 500 altogether that are called, `other` for the rest. */
  labelOf(server: string, tool: string): string {
    let labels = this.#servers.get(server);
    if (!labels) {
      labels = new Map();
      this.#servers.set(server, labels);
    }
    const known = labels.get(tool);
    if (known !== undefined) return known;
    if (labels.size >= toolLabelLimits.perServer || this.#count >= toolLabelLimits.altogether) return otherTools;
    // Before it is cut: half of a secret is one that nobody recognises.
    const label = wellFormed(sanitizeLine(this.#redact(tool), toolLabelLimits.length)) || otherTools;
    labels.set(tool, label);
    this.#count++;
    return label;
  }

  forget(server: string): void {
    this.#count -= this.#servers.get(server)?.size ?? 0;
    this.#servers.delete(server);
  }
}

/** Half of a surrogate pair becomes U+FFFD here and not when it is written: names that differ in nothing else are one label. */
function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '\ufffd');
}
