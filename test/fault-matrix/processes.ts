/** F01 to F18: servers over stdio that end, hang or talk nonsense, and messages that are too large, over HTTP too. */
import type { Fault } from '../fault-matrix.js';

export const processFaults: readonly Fault[] = [
  {
    id: 'F01',
    fault: 'A server is killed in the middle of a call',
    promise: 'The call fails with the signal and the last lines of stderr; the next call starts a new process',
    figure: 'failed within 100 ms',
    tests: {
      'integration/stdio-transport': [
        'fails a call at once at kill -9, with the signal and the last stderr lines',
        'reports the last 20 of 30 stderr lines of a crash',
      ],
      'integration/safe-replay': [
        'has run it once; the error says that nobody knows, how the server ended, and the next call works',
      ],
    },
  },
  {
    id: 'F02',
    fault: 'A server ends, and a grandchild holds its pipes',
    promise: 'The end of the process counts, not that of the pipes; the grandchild is ended too',
    figure: 'failed within 300 ms',
    tests: {
      'integration/stdio-transport': [
        'fails a call after 200 ms of waiting although a grandchild holds the pipes, and ends the grandchild',
        'fails a call after 50 ms of waiting although a grandchild holds stderr',
      ],
      'integration/process-group': ['ends a grandchild that outlives its leader'],
    },
  },
  {
    id: 'F03',
    fault: 'A server ends at its start: no such program, a wrong argument, again and again',
    promise: 'The cause is told, the tries become rarer, and after five ends there is none any more',
    figure: 'at most 5 starts within 60 s',
    tests: {
      'integration/stdio-transport': [
        'names the command, and in the details the PATH it was looked for in',
        'names a missing working directory, which the kernel reports like a missing command',
        'that exits at start is told with its exit code and stderr, within 2 s',
      ],
      'unit/manager/server-lifecycle': [
        'gives up after 5 exits within 60 s: CRASH_LOOP, retryAt null, no further attempt, until reconnect',
        'counts a spawn that took two processes as two exits',
      ],
      'e2e/exit-codes': ['CRASH_LOOP comes after 5 exits in one batch, and the program is started no more'],
    },
  },
  {
    id: 'F04',
    fault: 'A server never answers `initialize`',
    promise: 'It is given up at its limit and ended; what it said stands in its log; others do not wait for it',
    figure: 'the limit ± 0.5 s',
    tests: {
      'e2e/silent-server': [
        'a server that ignores TERM and never answers is TIMEOUT, exit 6, after its 1 s; its process is gone, and its words are in its log',
      ],
      'integration/http-errors': ['a server that accepts and says nothing ends with TIMEOUT after 300 + 300 ms ± 250 ms'],
      'e2e/scale': ['4 silent servers, as many as may start at a time, do not keep 8 others waiting for their time limit'],
      'unit/manager/server-lifecycle': [
        'lets the next one start after 2 s of a silent server, and counts 60 s from the own start of each',
      ],
    },
    note: 'Over stdio only the lower bound is checked with a real process; the upper one is checked in fake time.',
  },
  {
    id: 'F05',
    fault: 'A call hangs for ever',
    promise: 'It ends as TIMEOUT, the server is told in the way of its era, and the socket is free again',
    figure: 'ended 50 ms after the deadline; the server sees the end within 100 ms',
    tests: {
      'integration/http-cancel': [
        'that says nothing is left after 600 ms ± 250 ms, and the call is not repeated',
        'sees the exchange of a cancelled call close within 200 ms (answers as %s)',
        'a server that never answers the notice of a cancellation still sees the exchange close within 200 ms',
      ],
      'integration/safe-replay': ['a call over stdio that is cancelled: the %s server is told, once, and works on'],
      'integration/stdio-limits': ['a call to it ends with the deadline of the caller'],
      'unit/policy/policies': ['ends at 100 ms of silence with TIMEOUT, and aborts the operation'],
    },
    note: 'With real sockets the bounds are 250 ms and 200 ms; to the millisecond only in fake time.',
  },
  {
    id: 'F06',
    fault: 'An answer comes byte by byte, or progress for ever',
    promise: 'The hard limit wins',
    figure: 'the limit ± 250 ms',
    tests: {
      'integration/http-cancel': [
        'that drips progress for ever ends at the hard limit of 800 ms ± 250 ms',
        'that reports progress every 150 ms may be silent for 400 ms only, but work for 900 ms',
      ],
      'unit/manager/managed-server': ['ends after 1 s of silence; progress extends that, up to 5 s in all'],
    },
  },
  {
    id: 'F07',
    fault: 'Garbage, a banner and empty lines on stdout',
    promise: 'They are skipped and counted, with one warning; calls work',
    figure: '10,000 lines, 0 failed calls, 1 warning',
    tests: {
      'integration/stdio-faults': [
        '10,000 junk lines, JSON logs with the id of the call among them, fail no call and warn once',
        'a banner before the first message',
      ],
    },
  },
  {
    id: 'F08',
    fault: 'Text is glued to a message, without a newline between them',
    promise: 'The message is found, or its call fails at once; nothing is lost in silence',
    figure: 'failed within 1 s',
    tests: {
      'integration/stdio-faults': [
        'text glued before a message is cut off',
        'two messages and a word on one line are two messages',
        'a garbled answer fails its call within 1 s and no other',
        'a garbled debug print of an answer does not fail the call when the real answer follows',
      ],
    },
  },
  {
    id: 'F09',
    fault: 'JSON that is no JSON-RPC, unknown ids, a second answer, a late one',
    promise: 'Ignored and counted',
    figure: 'the counters are exact',
    tests: {
      'integration/stdio-faults': [
        'answers to unknown ids are counted and reach nobody',
        'the second of two answers is counted and dropped',
        'an answer later than the patience of the caller is counted and dropped',
        'a batch is counted and ignored',
        'an answer with neither result nor error fails its call at once',
      ],
      'unit/mcp/json-line': ['never throws and never invents a message, for 2,000 random texts'],
    },
    note: 'Requests of a server to us in the 2026 era have no test of their own.',
  },
  {
    id: 'F10',
    fault: 'Invalid UTF-8, a byte order mark, CR LF, characters split between chunks',
    promise: 'Read line by line, whatever the chunks',
    figure: '1,000 random chunkings, the same messages',
    tests: {
      'integration/stdio-faults': [
        'a byte order mark and CR on every line, and invalid UTF-8 as replacement characters',
        'an answer written byte by byte',
      ],
      'unit/mcp/framing': [
        'gives the same lines for 1,000 random chunkings of multi-byte text',
        'decodes invalid UTF-8 with replacement characters and keeps the neighbours',
      ],
    },
  },
  {
    id: 'F11',
    fault: 'A server closes its stdout, or its stdin, and lives on',
    promise: 'Its calls fail and the process is ended',
    figure: 'failed within 300 ms',
    tests: {
      'integration/stdio-transport': [
        'fails a call after 100 ms of waiting when only stdout is closed, and ends the process',
        'fails later calls after 100 ms of waiting when it closed its stdin but lives',
      ],
    },
  },
  {
    id: 'F12',
    fault: 'A server writes 100 MB to stderr',
    promise: 'It is always read; the last lines stay, the log is bounded, and calls go on',
    figure: 'calls take at most twice as long; memory grows by 5 MB',
    tests: {
      'integration/stdio-limits': [
        '100 MB on stderr cost less than 50 MB, block nobody, and leave the last lines',
        '50 MB on stderr without a newline cost less than 50 MB',
      ],
      'e2e/logs': ['is turned over and masked in at most 20 MiB; calls are answered meanwhile; memory grows by less than 100 MB'],
    },
    note: 'The bounds on memory are 50 and 100 MB, what the garbage collector leaves standing included; how long calls take is not measured.',
  },
  {
    id: 'F13',
    fault: 'A server stops reading its stdin',
    promise: '8 MiB wait for it, then OVERLOADED; what waits ends with the process',
    figure: 'nothing hangs past its deadline',
    tests: {
      'integration/stdio-limits': [
        '8 MiB wait for it, then OVERLOADED; close() settles what waited as not delivered',
        'one message of 12 MB goes through when nothing else waits',
        'a call to it ends with the deadline of the caller',
      ],
      'e2e/exit-codes': [
        'OVERLOADED: a call to a server that stopped reading, with 9 MB waiting for it, is refused with exit code 7',
      ],
    },
  },
  {
    id: 'F14',
    fault: 'Writing to a server that has just ended',
    promise: 'A typed error, and no crash of ours',
    figure: '10,000 writes, 0 crashes',
    tests: {
      'integration/stdio-transport': [
        'settles every one of 10,000 sends into a server that is being killed, and crashes nothing',
      ],
      'unit/mcp/write-queue': ['a broken pipe is reported once and fails nothing until the owner knows why'],
    },
  },
  {
    id: 'F15',
    fault: 'A result of 10 MB',
    promise: 'It is delivered',
    figure: '200 ms from the last byte; memory grows by 80 MB',
    tests: {
      'integration/stdio-limits': ['10 MB arrive whole'],
      'integration/http-fetch-limits': ['reads 10 MB of JSON'],
      'integration/http-streams': ['15 MiB are delivered'],
    },
    note: 'That it arrives whole is tested; time and memory are not.',
  },
  {
    id: 'F16',
    fault: 'A result of 17 MiB, or a line without an end',
    promise: 'Only that call fails, as TOO_LARGE',
    figure: 'memory grows by 100 MB; a call beside it succeeds',
    tests: {
      'integration/stdio-limits': [
        '17 MiB over the limit of 16 MiB fail their call only (id last: %s)',
        'a line of 300 MB costs less than 100 MB, and the next call is answered',
        'a line that does not end fails its call when the limit is passed, while the line still goes on',
      ],
      'unit/mcp/framing': ['keeps less than 20 MB for an endless line of 500 MB'],
      'integration/http-streams': ['%s: 17 MiB over a limit of 16 MiB fails only that call'],
      'integration/http-fetch-limits': ['fails 17 MiB %s over a limit of 16 MiB while a second request on its way succeeds'],
    },
    note: 'The longest line is 300 MB with a process and 500 MB without one, for 1 GB.',
  },
  {
    id: 'F17',
    fault: 'A gzip bomb of 400 KB that holds 400 MB',
    promise: 'The stream is cut at the limit, counted after decompression',
    figure: 'memory grows by 100 MB, over within 500 ms',
    tests: {
      'integration/http-fetch-limits': [
        'stops a gzip bomb of 400 KB that holds 400 MB, with less than 100 MB of memory, and closes its connection',
      ],
    },
    note: 'The time is not asserted.',
  },
  {
    id: 'F18',
    fault: 'A server-sent event without an end',
    promise: 'The stream is cut at the limit',
    figure: 'memory grows by 100 MB',
    tests: {
      'integration/http-fetch-limits': ['stops an event that never ends at 16 MiB, with less than 100 MB of memory'],
      'integration/http-streams': [
        'an event without an end fails its call with TOO_LARGE at 1 MiB, is not resumed, and its stream is closed',
      ],
    },
  },
];
