/** What happened to the configuration while mcpctl runs, in one line. */

import { unreachable } from '../core/errors.js';
import { sanitizeLine } from '../core/sanitize.js';
import type { ManagerEvent } from '../manager/server-status.js';

export type ConfigEvent = Extract<ManagerEvent, { type: 'approval-needed' | 'config-changed' | 'config-problem' }>;

/** Longer lists are for `status`. */
const maxNames = 5;

/** Text for a terminal: sanitised, and short. @param redact masks secrets; before the text is cut, lest half of one is left */
export function configNews(event: ConfigEvent, redact: (text: string) => string = (text) => text): string {
  switch (event.type) {
    case 'config-changed': {
      const { added, removed, changed } = event;
      const parts = Object.entries({ added, changed, removed }).filter(([, names]) => names.length > 0);
      if (parts.length === 0) return 'the configuration is valid again';
      return `configuration: ${parts.map(([what, names]) => `${what} ${listed(names)}`).join('; ')}`;
    }
    case 'config-problem':
      return `the configuration cannot be used and stays as it was: ${sanitizeLine(redact(event.message))}`;
    case 'approval-needed': {
      const { servers, changed, file } = event;
      const [first = ''] = servers;
      const name = sanitizeLine(first, 60);
      const of = `of ${sanitizeLine(file)}`;
      if (servers.length > 1)
        return `${servers.length} servers ${of} wait for your approval: ${listed(servers)}; mcpctl trust list`;
      const what = changed.length > 0 ? 'was changed and waits for a new approval' : 'waits for your approval';
      return `${name} ${of} ${what}; mcpctl trust approve ${name}`;
    }
    default:
      return unreachable(event);
  }
}

function listed(names: readonly string[]): string {
  const more = names.length > maxNames ? ` and ${names.length - maxNames} more` : '';
  return `${names
    .slice(0, maxNames)
    .map((name) => sanitizeLine(name, 60))
    .join(', ')}${more}`;
}
