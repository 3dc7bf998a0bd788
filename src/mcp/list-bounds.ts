/** Lists that come in pages, bounded: a server whose list has no end gets an error that says how far it came. */

import type { Client } from '@modelcontextprotocol/client';
import { McpctlError } from '../core/errors.js';

export const listBounds = {
  pages: 1000,
  items: 100_000,
  /** All pages together, in messages of the largest size that is allowed. */
  messages: 4,
  cursorLength: 16 * 1024,
} as const;

interface Page {
  readonly nextCursor?: unknown;
  readonly [items: string]: unknown;
}

/** Where the pages of a method's answer keep their items. */
const itemsOf: Readonly<Record<string, string>> = {
  'tools/list': 'tools',
  'prompts/list': 'prompts',
  'resources/list': 'resources',
  'resources/templates/list': 'resourceTemplates',
};

/** The pages of one list so far. */
export class ListWalk {
  readonly #cursors = new Set<string>();
  #pages = 0;
  #items = 0;
  #length = 0;

  constructor(
    readonly method: string,
    readonly maxMessageBytes: number,
  ) {}

  /**
   * Takes note of a page.
   *
   * @throws McpctlError `PROTOCOL` when a cursor comes again or the pages do not end, `TOO_LARGE` when there is too much in
   * them; `details` has `pages` and `items`, this page included.
   */
  take(page: Page): void {
    const items = page[itemsOf[this.method] ?? ''];
    this.#pages++;
    this.#items += Array.isArray(items) ? items.length : 0;
    if (this.#items > listBounds.items) throw this.#tooLarge(`more than ${listBounds.items} items`);
    const cursor = page.nextCursor;
    if (typeof cursor !== 'string') return;
    // A single page is a single message, which is bounded already.
    this.#length += this.#pages === 1 ? 0 : JSON.stringify(items ?? null).length;
    if (this.#length > listBounds.messages * this.maxMessageBytes) throw this.#tooLarge('too much in its pages');
    if (cursor.length > listBounds.cursorLength) throw this.#endless('has a cursor that is too long');
    if (this.#cursors.has(cursor)) throw this.#endless('goes round in circles: a cursor came again');
    if (this.#pages === listBounds.pages) throw this.#endless('has no end');
    this.#cursors.add(cursor);
  }

  #endless(what: string): McpctlError {
    return new McpctlError('PROTOCOL', `its ${this.method} ${what}${this.#soFar()}`, {
      hint: 'tell the author of the server',
      details: { reason: 'endless-list', pages: this.#pages, items: this.#items },
      delivered: 'maybe',
    });
  }

  #tooLarge(what: string): McpctlError {
    return new McpctlError('TOO_LARGE', `its ${this.method} has ${what}${this.#soFar()}`, {
      hint: 'this is more than any client can use; tell the author of the server',
      details: { reason: 'endless-list', pages: this.#pages, items: this.#items },
      delivered: 'maybe',
    });
  }

  #soFar(): string {
    return ` (stopped after ${this.#pages} ${this.#pages === 1 ? 'page' : 'pages'} with ${this.#items} items)`;
  }
}

/** Bounds every list that the client walks through. The SDK asks for each page with the options that its caller gave. */
export function boundLists(client: Client, maxMessageBytes: number): void {
  const walks = new WeakMap<object, ListWalk>();
  const send = client.request.bind(client) as (...args: unknown[]) => Promise<Page>;
  const bounded = async (request: { readonly method: string }, options: object) => {
    const page = await send(request, options);
    let walk = walks.get(options);
    if (!walk) {
      walk = new ListWalk(request.method, maxMessageBytes);
      walks.set(options, walk);
    }
    walk.take(page);
    return page;
  };
  client.request = ((request: { readonly method: string }, ...rest: unknown[]) =>
    request.method in itemsOf && typeof rest[0] === 'object' && rest[0] !== null
      ? bounded(request, rest[0])
      : send(request, ...rest)) as Client['request'];
}
