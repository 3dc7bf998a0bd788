/** The level of mcpctl's own log: who says it, and who wins. */
import { describe, expect, it } from 'vitest';
import { type LogLevel, logLevels, logOptions } from '../../../src/config/log-level.js';
import type { LoadedFile } from '../../../src/config/read-file.js';

const file = (level?: LogLevel) => ({ parsed: { content: level === undefined ? {} : { log: { level } } } }) as LoadedFile;

describe('logOptions', () => {
  it('is info, debug in the development preset, what the last file says that says it, and what MCPCTL_LOG says', () => {
    expect(logOptions([], 'production', {})).toEqual({ log: { level: 'info' } });
    expect(logOptions([file()], 'development', {})).toEqual({ log: { level: 'debug' } });
    const files = [file('error'), file('warn'), file()];
    expect(logOptions(files, 'development', {})).toEqual({ log: { level: 'warn' } });
    expect(logOptions(files, 'development', { MCPCTL_LOG: '' })).toEqual({ log: { level: 'warn' } });
    expect(logOptions(files, 'development', { MCPCTL_LOG: 'SILENT' })).toEqual({ log: { level: 'silent' } });
  });

  it('warns of a variable that names no level, and goes on without it', () => {
    const { log, problem } = logOptions([file('error')], 'production', { MCPCTL_LOG: 'loud' });
    expect(log).toEqual({ level: 'error' });
    expect(problem).toMatchObject({ severity: 'warning', file: 'MCPCTL_LOG', message: expect.stringContaining('"loud"') });
    for (const level of logLevels) expect(problem?.message).toContain(level);
  });
});
