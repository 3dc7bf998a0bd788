/** How the end of an attached command looks to a person or a script: an exit code, or the reason to run it here instead. */
import { cancelled, exitCodeFor, exitCodes } from '../core/errors.js';
import type { AttachedEnd } from './attach.js';

/** @returns `code` undefined when the command has to run here; `message` for stderr, complete with its newline */
export function explainEnd(
  end: AttachedEnd,
  { json, quiet }: { json: boolean; quiet: boolean },
  version: string,
): { code: number | undefined; message: string } {
  switch (end.kind) {
    case 'exit':
      return { code: end.code, message: '' };
    case 'local':
      return { code: undefined, message: '' };
    case 'unattached':
      return { code: undefined, message: json || quiet ? '' : note(end.why, version) };
    case 'cancelled': {
      const { code, message, details } = cancelled(end.signal);
      const error = { code, message, hint: null, details };
      return {
        code: exitCodeFor(cancelled(end.signal)),
        message: json ? `${JSON.stringify({ error })}\n` : `error: ${message}\n`,
      };
    }
    case 'lost': {
      const message = `The manager (process ${end.record.pid}) went away before the command was done; it may have been carried out`;
      const hint = 'mcpctl status starts anew';
      const error = { code: 'UNAVAILABLE', message, hint, details: { reason: 'manager-lost', pid: end.record.pid } };
      return {
        code: exitCodes.UNAVAILABLE,
        message: json ? `${JSON.stringify({ error })}\n` : `error: ${message}\nhint: ${hint}\n`,
      };
    }
  }
}

function note(why: Extract<AttachedEnd, { kind: 'unattached' }>['why'], version: string): string {
  if (why.reason === 'none') return '';
  const { pid, version: other } = why.record;
  return why.reason === 'version'
    ? `note: the manager (process ${pid}) is mcpctl ${other}, this is ${version}; running without it. mcpctl up replaces it.\n`
    : `note: the manager (process ${pid}) does not answer; running without it. mcpctl down ends it.\n`;
}
