/** What a line of mcpctl's own log says: a few words and fields by name. Never arguments, results or tokens. */

import { unreachable } from '../core/errors.js';
import type { LogNews } from './own-log.js';

/** Raw; absent and null values are left out. */
export type LogFields = Readonly<Record<string, string | number | readonly string[] | null | undefined>>;

export function lineFor(news: LogNews): { readonly msg: string; readonly fields: LogFields } {
  switch (news.type) {
    case 'server-state': {
      const { server, from, to, error, retryAt, durationMs } = news;
      return { msg: `server ${to}`, fields: { server, from, durationMs, code: error?.code, error: error?.message, retryAt } };
    }
    case 'call-started': {
      const { server, tool, callId } = news;
      return { msg: 'call started', fields: { server, tool, callId } };
    }
    case 'call-retry': {
      const { server, tool, callId, code, attempt, maxAttempts, waitMs } = news;
      return { msg: 'call is tried again', fields: { server, tool, callId, code, attempt, maxAttempts, waitMs } };
    }
    case 'call-finished': {
      const { server, tool, callId, outcome, durationMs, attempts } = news;
      const isAnswered = outcome === 'ok' || outcome === 'tool-error';
      const fields = { server, tool, callId, outcome: isAnswered ? outcome : 'failed', code: isAnswered ? null : outcome };
      return { msg: 'call ended', fields: { ...fields, durationMs, attempts } };
    }
    case 'tools-changed':
      return { msg: 'tools changed', fields: { server: news.server, tools: news.count } };
    case 'tools-listed': {
      const { server, ok, durationMs } = news;
      return { msg: ok ? 'tools listed' : 'tools could not be listed', fields: { server, durationMs } };
    }
    case 'health-checked': {
      const { server, ok, latencyMs } = news;
      return { msg: ok ? 'health check passed' : 'health check failed', fields: { server, latencyMs } };
    }
    case 'breaker-changed': {
      const { server, tool, from, to, openUntil, failures } = news;
      return { msg: `circuit ${to}`, fields: { server, tool, from, openUntil, failures } };
    }
    case 'login-changed': {
      const { server, what, outcome } = news;
      return outcome === 'ok'
        ? { msg: loginTexts[what], fields: { server } }
        : { msg: `${what} failed`, fields: { server, code: outcome } };
    }
    case 'warning':
      return { msg: news.message, fields: { server: news.server } };
    case 'approval-needed': {
      const { file, servers, changed } = news;
      return { msg: 'servers wait for an approval', fields: { file, servers, ...(changed.length > 0 && { changed }) } };
    }
    case 'config-changed': {
      const { added, removed, changed } = news;
      return { msg: 'configuration changed', fields: { added, removed, changed } };
    }
    case 'config-problem': {
      const { message, file, line, column } = news;
      return { msg: 'the configuration cannot be used, the last good one stays', fields: { error: message, file, line, column } };
    }
    case 'started':
      return { msg: 'mcpctl started', fields: { version: news.version, as: news.as } };
    case 'ended':
      return { msg: 'mcpctl ended', fields: {} };
    case 'left-out': {
      const { count, perSecond } = news;
      return { msg: `${count} lines were left out: more than ${perSecond} a second`, fields: { count } };
    }
    default:
      return unreachable(news);
  }
}

const loginTexts = { login: 'logged in', token: 'token saved', logout: 'logged out' } as const;
