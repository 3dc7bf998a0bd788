/** `doctor`: what stands between mcpctl and a working server, step by step, and what to do about it. */

import * as z from 'zod/mini';
import { formatDuration } from '../../core/duration.js';
import type { Step } from '../../manager/doctor/chain.js';
import type { Diagnosis, ServerDiagnosis } from '../../manager/doctor/doctor.js';
import type { Run, Text, TextOptions } from '../command.js';
import { paint } from '../render.js';

export const args = z.object({ server: z.optional(z.string()) });

export const run: Run<typeof args, Diagnosis> = async ({ server }, { manager, signal, ask }) => {
  const { errorOf } = await import('../../manager/doctor/doctor.js');
  const names = server === undefined ? manager.names() : [server];
  const data = await manager.diagnose(names, { signal, isAttended: ask !== undefined });
  const error = errorOf(data);
  return error ? { data, error } : { data };
};

const marks = { ok: '✓', warning: '!', failed: '✗', skipped: '–' } as const;
const stepWidth = 13;
const timeWidth = 8;

/** Of several servers only what needs a word; of one, every step. */
export const text: Text<Diagnosis, typeof args> = ({ servers, machine, counts }, options, { server }) => {
  const chalk = paint(options.color);
  const sections = servers.map((one) => section(one, options, server !== undefined));
  const tally = [
    `${counts.ok} ok`,
    ...(counts.warning > 0 ? [`${counts.warning} warning${counts.warning === 1 ? '' : 's'}`] : []),
    `${counts.failed} failed`,
  ];
  if (servers.length === 0) sections.push('No servers are configured. Add one: mcpctl add <name> <command or URL>');
  const aboutMachine = [chalk.bold('this machine'), ...machine.flatMap((step) => lines(step, options))].join('\n');
  return [...sections, aboutMachine, tally.join(' · ')].join('\n\n');
};

function section({ server, target, verdict, steps }: ServerDiagnosis, options: TextOptions, isWhole: boolean): string {
  const chalk = paint(options.color);
  const head = `${chalk.bold(server)}  ${chalk.dim(target)}`;
  if (isWhole) return [head, ...steps.flatMap((step) => lines(step, options))].join('\n');
  const [first] = steps;
  if (verdict === 'skipped') return `${mark('skipped', options)} ${head}  ${first?.finding ?? ''}`;
  const ms = steps.reduce((sum, step) => sum + step.ms, 0);
  const told = steps.filter((step) => step.verdict === 'failed' || step.verdict === 'warning');
  return [`${mark(verdict, options)} ${head}  ${formatDuration(ms)}`, ...told.flatMap((step) => lines(step, options))].join('\n');
}

/** A step, and below it what to do. Whole: a fix that is cut is none. */
function lines({ step, verdict, code, finding, fix, ms }: Step, options: TextOptions): string[] {
  const chalk = paint(options.color);
  const isTrouble = verdict === 'failed' || verdict === 'warning';
  const time = (verdict === 'skipped' ? '' : formatDuration(ms)).padStart(timeWidth);
  const words = `${finding.replace(/\s+/g, ' ')}${isTrouble ? `  ${chalk.dim(code)}` : ''}`;
  const line = `  ${mark(verdict, options)} ${step.padEnd(stepWidth)}${chalk.dim(time)}  ${verdict === 'skipped' ? chalk.dim(words) : words}`;
  return isTrouble && fix !== null ? [line, `${' '.repeat(stepWidth + timeWidth + 6)}→ ${fix}`] : [line];
}

function mark(verdict: Step['verdict'], options: TextOptions): string {
  const chalk = paint(options.color);
  const hue = { ok: chalk.green, warning: chalk.yellow, failed: chalk.red, skipped: chalk.dim };
  return hue[verdict](marks[verdict]);
}
