/** `npm run bench [-- name…] [--json]`: prints ratios of this run against baselines of this run; never fails because of a figure. */
import { orExplain, prepare } from '../scripts/lib/prepare.mjs';

/** In the order in which they run; the whole takes some minutes. */
const benches = {
  'start-up': () => import('./start-up.mjs'),
  attached: () => import('./attached.mjs'),
  'cold-call': () => import('./cold-call.mjs'),
  'cold-status': () => import('./cold-status.mjs'),
  'managed-call': () => import('./managed-call.mjs'),
  'metrics-cost': () => import('./metrics-cost.mjs'),
  policies: () => import('./policies.mjs'),
  repl: () => import('./repl.mjs'),
  'http-fetch': () => import('./http-fetch.mjs'),
};

const words = process.argv.slice(2);
const isJson = words.includes('--json');
const wanted = words.filter((word) => word !== '--json');
const unknown = wanted.filter((name) => !(name in benches));
if (unknown.length > 0) {
  process.stderr.write(`error: no benchmark "${unknown[0]}"\nhint: the benchmarks are: ${Object.keys(benches).join(', ')}\n`);
  process.exit(2);
}

const { openWorkplace, root } = await orExplain(async () => {
  const workplace = await import('./lib/workplace.mjs');
  await prepare(workplace.root);
  return workplace;
});
process.chdir(root);
const results = [];
const startMs = performance.now();
for (const name of wanted.length > 0 ? wanted : Object.keys(benches)) {
  const place = openWorkplace();
  try {
    const { run } = await benches[name]();
    for await (const row of run(place)) {
      results.push({ bench: name, ...row, met: verdict(row) });
      if (!isJson) process.stdout.write(`${line(results.at(-1), results.length === 1)}\n`);
    }
  } finally {
    place.remove();
  }
}
if (isJson) {
  const { arch, platform, version } = process;
  process.stdout.write(`${JSON.stringify({ node: version, platform, arch, results }, null, 2)}\n`);
} else {
  process.stderr.write(
    `${results.length} figures in ${Math.round((performance.now() - startMs) / 1000)} s, Node ${process.version}\n`,
  );
}

/** `reached`, `met` or `missed`; null for figures without a goal. */
function verdict({ goal, reach, ratio, subject }) {
  if (goal === undefined || ratio === undefined) return null;
  const holds = (bound) => {
    if (bound === undefined) return false;
    const [, sign, limit, unit] = /^(<=|>=) ([\d.]+)( ms)?$/.exec(bound);
    const value = unit ? subject : ratio;
    return sign === '<=' ? value <= Number(limit) : value >= Number(limit);
  };
  return holds(reach) ? 'reached' : holds(goal) ? 'met' : 'missed';
}

function line(row, isFirst) {
  const cells = row.skipped
    ? [row.what, row.skipped]
    : [
        row.what,
        number(row.subject),
        number(row.baseline),
        row.unit,
        row.ratio.toFixed(2),
        row.pairs > 1 ? `${row.spread[0].toFixed(2)}-${row.spread[1].toFixed(2)}` : '',
        row.goal ?? '',
        row.reach ?? '',
        row.met ?? '',
        row.against,
      ];
  const head = ['what', 'mcpctl', 'baseline', 'unit', 'ratio', 'quartiles', 'goal', 'reach', '', 'against'];
  return (isFirst ? `${columns(head)}\n` : '') + columns(cells);
}

function columns(cells) {
  const widths = [38, 9, 9, 8, 6, 10, 10, 8, 8, 0];
  return cells
    .map((cell, i) => (i >= 1 && i <= 2 ? cell.padStart(widths[i]) : cell.padEnd(widths[i])))
    .join(' ')
    .trimEnd();
}

function number(value) {
  return value >= 1000 ? Math.round(value).toString() : value.toPrecision(3);
}
