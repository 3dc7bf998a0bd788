/**
 * What every command needs, whichever it is. Injected into every entry of the bundle: modules that all entries reach go into one
 * chunk. Without this the way to a cold call led through 37 files, read one after another, instead of 21 (-16 ms of 180).
 */
import 'commander';
import '../../src/cli/event-notes.ts';
import '../../src/cli/input.ts';
import '../../src/cli/parse.ts';
import '../../src/cli/progress.ts';
import '../../src/cli/run.ts';
import '../../src/config/load.ts';
import '../../src/config/position.ts';
import '../../src/io/process-group.ts';
import '../../src/manager/manager.ts';
import '../../src/state/server-memory.ts';
