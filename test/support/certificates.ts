/** An authority of the test's own and certificates signed by it, made with the openssl program. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Authority extends Disposable {
  /** PEM. */
  readonly ca: string;
  /** The file that holds it. */
  readonly caFile: string;
  /** A key and a certificate for `names`, such as `DNS:mcp.test,IP:127.0.0.1`; with less than 0 days it has expired. */
  issue(names: string, options?: { days?: number; selfSigned?: boolean }): { readonly key: string; readonly cert: string };
}

export function createAuthority(name = 'mcpctl test CA'): Authority {
  const folder = mkdtempSync(join(tmpdir(), 'mcpctl-ca-'));
  const path = (file: string) => join(folder, file);
  const openssl = (command: string) =>
    execFileSync('openssl', command.split(' '), { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  const newKey = 'ec -pkeyopt ec_paramgen_curve:P-256 -nodes';
  writeFileSync(path('ca.cnf'), `[req]\ndistinguished_name=own\nprompt=no\n[own]\nCN=${name}\n`);
  openssl(
    `req -x509 -newkey ${newKey} -keyout ca.key -out ca.pem -config ca.cnf -days 1 -addext basicConstraints=critical,CA:TRUE`,
  );
  let issued = 0;
  return {
    ca: readFileSync(path('ca.pem'), 'utf8'),
    caFile: path('ca.pem'),
    issue(names, { days = 1, selfSigned = false } = {}) {
      const file = `leaf${++issued}`;
      writeFileSync(path(`${file}.ext`), `subjectAltName=${names}\nbasicConstraints=CA:FALSE\n`);
      const signer = selfSigned ? `-signkey ${file}.key` : '-CA ca.pem -CAkey ca.key -CAcreateserial';
      openssl(`req -newkey ${newKey} -keyout ${file}.key -out ${file}.csr -config ca.cnf`);
      openssl(`x509 -req -in ${file}.csr ${signer} -out ${file}.pem -days ${days} -extfile ${file}.ext`);
      return { key: readFileSync(path(`${file}.key`), 'utf8'), cert: readFileSync(path(`${file}.pem`), 'utf8') };
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}
