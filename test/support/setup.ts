/** What every test process has in common with main.ts. */
import { EventEmitter } from 'node:events';

EventEmitter.defaultMaxListeners = 0;
