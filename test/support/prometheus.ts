/** A real Prometheus for one test: on a free port of the loopback interface, with storage of its own, ended by its id. */
import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { TempHome } from './temp-home.js';
import { waitFor } from './wait-for.js';

export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Prometheus extends AsyncDisposable {
  readonly url: string;
  /** The result of a PromQL expression now. @throws Error with what Prometheus says of the expression */
  query(expr: string): Promise<Sample[]>;
  /** `<alert> <server>` of each that fires, sorted; the server is empty where the alert has none. */
  firing(): Promise<string[]>;
}

export interface PrometheusOptions {
  readonly home: TempHome;
  /** Whom to scrape, as job `mcpctl`: `127.0.0.1:9464`. */
  readonly target: string;
  /** The text of a file of rules. */
  readonly rules: string;
}

/** Scrapes once a second and looks at its rules twice. Resolves when it answers. */
export async function startPrometheus({ home, target, rules }: PrometheusOptions): Promise<Prometheus> {
  await home.write('prometheus/rules.yml', rules);
  const config = await home.write('prometheus/prometheus.yml', {
    global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '500ms' },
    rule_files: ['rules.yml'],
    scrape_configs: [{ job_name: 'mcpctl', static_configs: [{ targets: [target] }] }],
  });
  const cwd = join(home.path, 'prometheus');
  const storage = join(cwd, 'data');
  await mkdir(storage);
  const child = spawn(
    'prometheus',
    [`--config.file=${config}`, `--storage.tsdb.path=${storage}`, '--web.listen-address=127.0.0.1:0'],
    // The environment of the home: its end finds what was left running.
    { cwd, env: { ...home.env }, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const exited = new Promise<void>((resolve) => {
    child.once('error', () => resolve());
    child.once('exit', () => resolve());
  });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  const end = async () => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 5_000);
    await exited;
    clearTimeout(timer);
  };

  try {
    const patience = { timeoutMs: 30_000, intervalMs: 50, what: () => `Prometheus\n${log}` };
    const port = await waitFor(() => {
      if (child.exitCode !== null) throw new Error(`Prometheus ended with ${child.exitCode}`);
      return /Listening on" address=127\.0\.0\.1:(\d+)/.exec(log)?.[1];
    }, patience);
    const url = `http://127.0.0.1:${port}`;
    await waitFor(async () => (await fetch(`${url}/-/ready`)).ok, patience);

    const query = async (expr: string): Promise<Sample[]> => {
      const response = await fetch(`${url}/api/v1/query`, { method: 'POST', body: new URLSearchParams({ query: expr }) });
      const answer = (await response.json()) as {
        status: string;
        error?: string;
        data: { result: { metric: Record<string, string>; value: [number, string] }[] };
      };
      if (answer.status !== 'success') throw new Error(`${answer.error}: ${expr}`);
      return answer.data.result.map(({ metric, value: [, value] }) => ({ metric, value: Number(value) }));
    };
    return {
      url,
      query,
      firing: async () =>
        (await query('ALERTS{alertstate="firing"}'))
          .map(({ metric: { alertname, server = '' } }) => `${alertname} ${server}`.trim())
          .sort(),
      [Symbol.asyncDispose]: end,
    };
  } catch (error) {
    await end();
    throw error;
  }
}
