/** What mcpctl remembers of a server between runs: its protocol era and its tools. One file a server, named by the hash of its definition. */

import { join } from 'node:path';
import * as z from 'zod/mini';
import { readTextIfExists, writeFileAtomic } from '../io/atomic-file.js';

/** A tool as the protocol describes it; kept as received. */
const Tool = z.looseObject({ name: z.string(), inputSchema: z.looseObject({}) });

const Memory = z.object({
  version: z.literal(1),
  era: z.optional(
    z.object({
      kind: z.enum(['legacy', 'modern']),
      /** Which HTTP transport answered. */
      transport: z.enum(['stdio', 'http', 'sse']),
      /** The answer to `server/discover`, for the modern era. */
      discover: z.optional(z.looseObject({})),
      at: z.number(),
    }),
  ),
  tools: z.optional(z.object({ list: z.array(Tool), at: z.number(), ttlMs: z.number() })),
});

export type RememberedTool = z.infer<typeof Tool>;
export type ServerMemory = Omit<z.infer<typeof Memory>, 'version'>;

/** 20 MB: ten thousand tools with large schemas. A larger file is not ours. */
const maxBytes = 20 * 1024 ** 2;

/** The files of all servers. Reading a missing, broken or foreign file gives nothing; writing never fails a command. */
export class ServerMemories {
  readonly #pending = new Map<string, Promise<void>>();

  /** @param onWarning told once when the state directory cannot be written. */
  constructor(
    readonly dir: string,
    readonly onWarning: (message: string) => void = () => {},
  ) {}

  /** What is known of the server with this definition hash (`at` fields are epoch milliseconds). */
  async read(hash: string): Promise<ServerMemory> {
    try {
      const text = await readTextIfExists(this.#path(hash), { maxBytes });
      if (text === undefined) return {};
      const parsed = Memory.safeParse(JSON.parse(text));
      return parsed.success ? parsed.data : {};
    } catch {
      // A cache that cannot be read is rebuilt by the next write.
      return {};
    }
  }

  /** Stores what is known now; writes of one server follow each other. Not fsynced: a lost cache costs one round trip. */
  write(hash: string, memory: ServerMemory): void {
    const before = this.#pending.get(hash) ?? Promise.resolve();
    const text = `${JSON.stringify({ version: 1, ...memory })}\n`;
    const write = before
      .then(() => writeFileAtomic(this.#path(hash), text, { mode: 0o600, durable: false }))
      .catch((error: unknown) => this.#warnOnce(error))
      .finally(() => {
        if (this.#pending.get(hash) === write) this.#pending.delete(hash);
      });
    this.#pending.set(hash, write);
  }

  /** Resolves when every write so far has ended. */
  async flush(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending.values());
  }

  #warned = false;
  #warnOnce(error: unknown): void {
    if (this.#warned) return;
    this.#warned = true;
    this.onWarning(
      `cannot write to ${this.dir}: ${error instanceof Error ? error.message : String(error)}; going on without memory between runs`,
    );
  }

  #path(hash: string): string {
    return join(this.dir, 'servers', `${hash}.json`);
  }
}
