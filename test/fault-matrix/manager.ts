/** F37 to F54: disks and files, lists and announcements without end, many servers at once, and every way in which it can end. */
import type { Fault } from '../fault-matrix.js';

export const managerFaults: readonly Fault[] = [
  {
    id: 'F37',
    fault: 'The disk is full or read-only, a folder is closed to us',
    promise: 'Calls work from memory, one warning, and the old file stays whole',
    figure: '1,000 writes on a full disk, 0 cut files',
    tests: {
      'integration/atomic-file': ['leaves the old file whole on a full disk, in 1,000 attempts'],
      'e2e/logs': ['on a full or read-only disk: one warning, the call works, and what fitted can be read'],
      'e2e/own-log': ['fails no command when it cannot be written: one warning, the same exit code'],
      'e2e/attach-trouble': [
        'a full disk under the runtime folder: an error, nothing left; with room again it starts',
        'a full disk under the state folder: a manager without a log',
      ],
      'integration/config-edit': [
        'is a clear error with exit 9 when it is full, and the file is as it was',
        'is a clear error with exit 9 when it can only be read',
      ],
      'e2e/auth': ['%s: exit 3, says why, and the token from before is there'],
    },
  },
  {
    id: 'F38',
    fault: 'Configuration, settings, logins or remembered state are damaged: cut, NUL bytes, 50 MB',
    promise: 'The configuration is an error with its place and is never overwritten; state that makes no sense is made anew',
    figure: '5,000 mutations, 0 crashes, 0 silent resets',
    tests: {
      'integration/config-mutations': [
        'gives a configuration or errors with file and line, for 5,000 mutations of every fixture, and stays as it is',
        'in TOML of 50 MB is refused without being read',
      ],
      'integration/config-malformed': ['of 50 MB is refused without being read'],
      'integration/config-enable': ['damaged settings (%j) are kept aside with one warning, and work again'],
      'integration/file-vault': ['%j is put aside whole, told once, and the next token finds a new file'],
      'integration/circuit-breaker': ['is not believed when a breaker in it makes no sense, and is made anew'],
      'integration/http-eras': ['a stored answer that makes no sense is not used'],
    },
    note: 'The exit code is 9. Remembered state is made anew without keeping the old file; settings and logins are kept aside.',
  },
  {
    id: 'F39',
    fault: 'Many processes write the configuration at once, and some are killed',
    promise: 'A lock, a temporary file and a rename: nothing is lost, nothing is cut',
    figure: '50 of 50 entries; 1,000 kills, the file always parses',
    tests: {
      'integration/config-edit': [
        'add 50 servers in 50 processes of mcpctl: 50 entries in a file that parses, 0600, no lock left',
        'at 200 random moments leaves a file that parses with every server it reported, and no rubbish',
      ],
      'integration/file-lock': [
        'keeps processes apart while 40 of them are killed at any moment, and every dead holder is replaced',
      ],
    },
    note: '200 kills of the whole program, not 1,000.',
  },
  {
    id: 'F40',
    fault: '10,000 tools on 200 pages; pages in a circle; a list without an end',
    promise: 'The long list arrives, the others end as an error that says how far they came',
    figure: 'within 1 s; memory grows by 100 MB; the loop is never held for 50 ms',
    tests: {
      'integration/lists': [
        'of 10 000 tools over 200 pages arrives whole and in order',
        'with %s ends as an error that says how far it came, and calls go on',
        'of 100 pages of 1 MiB is TOO_LARGE after 5 of them with messages of at most 2 MiB: all together are bounded too',
      ],
    },
    note: 'Pages, items and bytes are asserted; time, memory and the lag of the loop are not.',
  },
  {
    id: 'F41',
    fault: 'A server announces 10,000 changes, or one after each list',
    promise: 'Announcements are gathered; a list that never changes is asked for more and more rarely',
    figure: 'at most 2 lists for a burst, at most 15 in a minute of a circle',
    tests: {
      'integration/lists': [
        '10 000 in a burst make at most 2 lists, and no news when the list is as before',
        'a server that announces a change after every list is asked at most 4 times in 4 s, and can be reconnected meanwhile',
      ],
      'unit/policy/policies': [
        'that triggers itself runs 10 times in a minute when there is always news, and 5 times and then once a minute when there is none',
        'answers triggers that never pause for 300 ms after 1 s, then 2, 4 and 8 s apart',
      ],
    },
  },
  {
    id: 'F42',
    fault: 'A flood of 200,000 notifications',
    promise: 'The server waits for its turns, and calls beside it are answered',
    figure: 'the loop is never held for 200 ms; memory grows by 30 MB',
    tests: {
      'integration/lists': ['over %s costs less than 30 MB, and calls beside it are answered before it is over'],
      'unit/mcp/line-reader': [
        'stops the server as well while 1,000 notifications wait for their turns, and then reads on',
        'ends a turn after 5 ms: two lines of 3 ms each',
      ],
    },
    note: 'Nothing is dropped: the server is held back instead. The lag itself is not asserted.',
  },
  {
    id: 'F43',
    fault: 'Whoever reads our output is slow, stops, or goes away',
    promise: 'The source waits; a reader that went away ends the command in silence',
    figure: '1 GB into a stopped reader, memory grows by 50 MB; exit code 0 or 141, nothing left',
    tests: {
      'e2e/slow-reader': [
        'holds a script of 30 calls with answers of 12 MB back, at most 2 calls ahead; 360 MB cost less than 250 MB',
        'of logs --follow, which a server fills with 100 MB, costs the manager less than 100 MB and holds nobody else up',
      ],
      'e2e/signals': ['mcpctl %s | %s: no stack trace, no word about it, nothing left'],
      'integration/http-fetch': [
        'holds the server back when nobody reads: of 64 MiB it can send under 16, and everything arrives in the end',
      ],
      'e2e/attach': ['a reader that goes away (head) ends it, and the manager goes on'],
    },
    note: '360 MB instead of 1 GB. The bound of 250 MB has room for four answers in all their forms; it is the same for any number of calls.',
  },
  {
    id: 'F44',
    fault: '100 servers start, answer and stop; some are broken',
    promise: 'A bounded number starts at a time, and a bad one delays none of the others',
    figure: 'twice the time of the bare SDK',
    tests: {
      'e2e/scale': [
        '100 stdio servers start, answer one call each from a process of their own, and stop; none is left',
        '10 broken servers among 30 delay none of the others: the last is connected as soon as without them',
        'with room for 64 open files, some of 20 servers work and the others are refused with the numbers; none is left',
      ],
    },
    note: 'The comparison with the bare SDK is a benchmark (`npm run bench`), not a test.',
  },
  {
    id: 'F45',
    fault: '1,000 calls at once over 5 servers, one of them slow',
    promise: 'Places and a queue for each server: the slow one holds up nobody else',
    figure: 'the slowest hundredth of the others takes 1.2 times as long as without it',
    tests: {
      'integration/bulkhead': [
        'are all answered; the 800 of the quick ones before the slow one has answered half of its own',
        'has 2 of 10 calls at a time, answers 5 and refuses 5 at once with the time to wait',
      ],
      'unit/policy/bulkhead': [
        'never runs more than its places, never loses one, and serves in order, for any order of calls and ends',
      ],
    },
    note: 'The order of answers is asserted. The ratio of times is not: it is a measurement, and a test that measures fails on a busy machine.',
  },
  {
    id: 'F48',
    fault: 'Ctrl-C once and twice, SIGTERM, SIGHUP',
    promise: 'Once cancels the call, twice leaves; the exit code says which signal it was',
    figure: '130, 143, 129; over within 3 s; nothing left',
    tests: {
      'e2e/signals': [
        '%s: exit ${code} within 3 s, nothing left',
        'does not wait for a server that ignores TERM, and leaves nothing',
      ],
      'e2e/repl': ['cancels a call of 60 s at Ctrl-C at once, and leaves at the second within 2 s with 130'],
      'e2e/attach': ['Ctrl-C cancels the call there and exits 130; the manager and its server go on'],
    },
  },
  {
    id: 'F49',
    fault: 'mcpctl is killed with SIGKILL, under servers that ignore everything',
    promise: 'A watchdog ends their groups; what escapes it is found by the next start',
    figure: 'nothing left after 1 s',
    tests: {
      'integration/process-group': [
        'with kill -9: 3 wrapper trees that ignore the end of input and SIGTERM are gone within 1 s',
        'with kill -9 while the watchdog is dead: the next sweep finds the trees, and a child with a session of its own',
      ],
      'e2e/signals': [
        'leaves none of three wrapper trees that ignore end-of-file and TERM after 1 s',
        'while 8 servers are starting leaves none of them after 1 s',
      ],
    },
    note: 'A kernel that is out of memory kills with the same signal; that is not made here.',
  },
  {
    id: 'F50',
    fault: 'An exception or a rejected promise that nobody caught, in a library or in mcpctl itself',
    promise: 'Told without secrets, exit code 1, and every server is ended; who was attached is told',
    figure: 'nothing left',
    tests: {
      'e2e/crash': [
        'during a call: told, exit code 1, and of a tree that ignores end-of-file and TERM nothing is left',
        'in a session: told on the terminal, exit code 1, nothing left',
        'in a manager: its log has it, who waited gets exit code 4, nothing is left, and the next up works',
      ],
      'integration/process-group': [
        'with process.exit: the exit handler kills the trees at once, without the 0.5 s of the watchdog',
      ],
    },
  },
  {
    id: 'F51',
    fault: 'The machine, or mcpctl alone, is suspended and goes on later',
    promise: 'Answers that came meanwhile count; lost processes and sessions are replaced, each once',
    figure: '100 servers, their reconnects spread over 2 s',
    tests: {
      'e2e/suspend': [
        'that is stopped for 4 s, twice its limits, while 3 processes die and all sessions are lost, has all 20 again, each started once',
      ],
      'unit/policy/policies': [
        'after the process stood still for 3 s waits 150 ms for what came meanwhile: %i ms later it is %s',
      ],
      'e2e/attach': [
        'a manager that hangs is noticed within its two seconds: commands run by themselves, down ends it by signals',
      ],
    },
    note: '20 servers and 4 s, with limits of 2 s, in the place of 100 and 2 minutes. That no server is started twice is asserted; the spread is not.',
  },
  {
    id: 'F52',
    fault: 'A manager is killed, its socket stays, two start at once, another version asks',
    promise: 'One owner by a lock; what is stale is taken over; versions are compared before anything is asked',
    figure: '20 starts at once, 1 manager; a stale socket taken over within 500 ms',
    tests: {
      'e2e/attach': [
        '20 parallel up: one process, which all of them name',
        'after kill -9 the next command runs by itself, the next up takes the place, and no server of the dead one is left',
        'the manager of another version is not asked; up replaces it',
      ],
      'e2e/attach-trouble': [
        'says so while its socket is gone, and is there again by itself within seconds',
        'gives way when another manager has come to its place',
        '${lanes * rounds} of them to commands and managers: every file parses, nothing added is lost, no process is left, the next up works',
      ],
    },
    note: 'A command never starts a manager by itself: it runs alone. The time of the takeover is not asserted.',
  },
  {
    id: 'F53',
    fault: 'Servers of both eras, and some that exit or go deaf at the question which one they speak',
    promise: 'Each is spoken to in its own era, after a fresh start where it needs one; what was remembered wrongly is dropped',
    figure: '6 kinds of servers over both transports',
    tests: {
      'integration/era': [
        'that refuses the question (%s) is used as it is: 1 process; the next run does not ask',
        'of the new era takes 1 process, and 1 message in the next run',
        'that exits at the question gets a fresh process; the next run starts exactly 1',
        'that is deaf after the question gets a fresh process at half of its time (2 of 4 s)',
        'from new to %s, met by a manager: verified, dropped and connected anew without an error',
      ],
      'integration/http-eras': [
        'connects, lists 4 tools, calls, pings and closes, with answers as %s',
        'a modern verdict about a server that speaks only the old protocol now is dropped, and the call runs once',
        'a question that broke off proves nothing: the first connect fails, the next one finds the new era',
      ],
    },
  },
  {
    id: 'F54',
    fault: 'The stream of announcements is cut',
    promise: 'It is asked for again, and lists are read anew, so that no change is missed',
    figure: 'up to date within 2 s of the return',
    tests: {
      'integration/subscriptions': [
        'whose stream is cut stays connected, is asked again, and the change that it told nobody is found',
        'that goes away is noticed by its broken stream, without a call: the server is in error, and connected again when it is back',
      ],
      'unit/mcp/change-subscription': [
        'asks again 250 ms after a cut and tells of the gap only then; after 10 good seconds it is 250 ms again',
      ],
    },
    note: 'The 2 s follow from the 250 ms in fake time; with a real server only the outcome is asserted.',
  },
];
