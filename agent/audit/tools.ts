import { toolDigest } from '../../src/protocol/audit-chain.ts';
import type { HubMessage, ToolResult } from '../../src/protocol/messages.ts';
import { toolEnd } from '../../src/protocol/tools.ts';
import type { AuditLog, DeviceEntry } from './log.ts';
import { entryIn } from './orders.ts';
import { type Sent, saidBy } from './said.ts';
import type { Sparing } from './sparing.ts';

type RunTool = Extract<HubMessage, { type: 'run-tool' }>;

/** What {@link createToolAudit} needs of the audit log. */
export type ToolLog = Pick<AuditLog, 'append' | 'note' | 'recent'> & { readonly sparing: Sparing };

/** What the audit log says of tools: that one was asked for, what became of it at once, and how it ended. */
export interface ToolAudit {
  /**
   * It is about to be run.
   * @throws {FettleError} `no_space` · `io_failed`: then it is not
   */
  taken(order: RunTool, sent: Sent | undefined): void;
  /** It is not run: `code` says why; `known` is no error, but a request that was taken before. Never throws. */
  refused(order: RunTool, code: string, sent: Sent | undefined): void;
  /** Never throws. */
  ended(result: ToolResult): void;
  /** Writes down the ends that a crash came before. Never throws. */
  catchUp(ended: readonly ToolResult[]): void;
}

export function createToolAudit(log: ToolLog): ToolAudit {
  const ended = (result: ToolResult) => log.note(endOf(result));
  return {
    taken(order, sent) {
      log.sparing.tellCounted();
      log.append(entryOf(order, 'taken', sent));
    },
    refused: (order, code, sent) => log.sparing.note(entryOf(order, code, sent)),
    ended,
    catchUp(all) {
      if (all.length === 0) return;
      const open = new Set<unknown>();
      for (const line of log.recent()) {
        const entry = entryIn(line);
        if (entry?.what === 'tool' && entry.verdict === 'taken') open.add(entry.request);
        if (entry?.what === 'tool-end') open.delete(entry.request);
      }
      for (const result of all) if (open.has(result.request)) ended(result);
    },
  };
}

function entryOf(order: RunTool, verdict: string, sent: Sent | undefined): DeviceEntry {
  const { request, tool, args } = order;
  const how = { digest: toolDigest(order), ...(sent && saidBy(sent)) };
  return { what: 'tool', request, tool, args: args.join(' '), ...how, verdict };
}

function endOf(result: ToolResult): DeviceEntry {
  const { request, tool, timedOut, ms } = result;
  return { what: 'tool-end', request, tool, result: toolEnd(result), timedOut, ms: Math.round(ms) };
}
