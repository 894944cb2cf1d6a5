import type { AgentMessage } from '../src/protocol/messages.ts';

/** Before what is left of a text that was too long. */
const CUT = '… cut: the rest is longer than a message may be\n';
/** Apps that a message may name. */
export const MOST_APPS = 1_000;

/**
 * The same message with less in it, for one that is too large to be sent; each step leaves out more. What was left out is
 * said. `undefined` where there is nothing to leave out.
 */
export function shortened(message: AgentMessage, step: number): AgentMessage | undefined {
  const share = 1 / 2 ** (step + 1);
  switch (message.type) {
    case 'log':
      return { ...message, text: `${CUT}${tail(message.text, share)}` };
    case 'backups': {
      const backups = message.backups.slice(0, Math.floor(message.backups.length * share));
      const omitted = message.backups.length - backups.length + (message.omitted ?? 0);
      return { ...message, backups, omitted, ...(step > 2 ? { strange: [] } : {}) };
    }
    case 'inventory': {
      // What is under way stays: a device that does not tell of it has lost it.
      const brief = message.apps.map((app) => ({ ...app, blocked: app.blocked.slice(-3) }));
      const busy = brief.filter((app) => app.update !== undefined);
      const idle = brief.filter((app) => app.update === undefined);
      const keep = step === 0 ? MOST_APPS : Math.floor(Math.min(MOST_APPS, brief.length) * 2 * share);
      const apps = [...busy, ...idle.slice(0, Math.max(0, keep - busy.length))].slice(0, MOST_APPS);
      const omitted = brief.length - apps.length;
      return { ...message, apps, ...(omitted > 0 ? { omitted } : {}) };
    }
    case 'outcome':
    case 'local-outcome': {
      const { logTail, ...outcome } = message.outcome;
      const cut = logTail === undefined ? {} : { logTail: `${CUT}${tail(logTail, share)}`.slice(0, 8_000) };
      return { ...message, outcome: { ...outcome, ...cut } };
    }
    default:
      return undefined;
  }
}

/** The end of a text, from a whole character on. */
function tail(text: string, share: number): string {
  return text.slice(-Math.max(1, Math.floor(text.length * share))).replace(/^[\udc00-\udfff]/, '');
}
