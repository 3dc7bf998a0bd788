/** Names and lines of logs. */
import { describe, expect, it } from 'vitest';
import { linePrefix, logFiles, logPath, parseLine } from '../../../src/state/log-line.js';

describe('logPath', () => {
  it('is the name and 16 hexadecimal digits that stand for file and name', () => {
    expect(logPath('/state', 'git.hub', '/home/u/config.json')).toMatch(/^\/state\/logs\/git\.hub-[0-9a-f]{16}\.log$/);
    const paths = [
      logPath('/state', 'a', '/one.json'),
      logPath('/state', 'a', '/two.json'),
      logPath('/state', 'b', '/one.json'),
      logPath('/state', 'a', '/one.json'),
    ];
    expect(new Set(paths).size).toBe(3);
  });

  it('has three older files', () => {
    expect(logFiles('/a.log')).toEqual(['/a.log', '/a.log.1', '/a.log.2', '/a.log.3']);
  });
});

describe('parseLine', () => {
  const at = '2026-01-02T03:04:05.678Z';

  it('reads what is written: also an empty text, spaces and tabs', () => {
    for (const text of ['', ' ', 'hello', ' two  spaces\tand a tab ', 'mcp err', 'a\u2028b']) {
      expect(parseLine(linePrefix(at, 42, 'err') + text)).toEqual({ at, pid: 42, kind: 'err', text });
    }
  });

  it.each(['', 'hello', at, `${at} 42`, `${at} 42 err`, `${at} x err t`, `${at} 42 out t`, `of a line${at} 42 err t`])(
    'takes %j for no line',
    (line) => expect(parseLine(line)).toBeUndefined(),
  );
});
