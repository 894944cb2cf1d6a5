import type { ToolConfig } from '../../config/agent-schema.ts';
import { FettleError } from '../../src/domain/errors.ts';
import type { Clock } from '../../src/domain/id.ts';
import type { HubMessage, ToolResult } from '../../src/protocol/messages.ts';
import type { Sent } from '../audit/said.ts';
import { createToolAudit, type ToolLog } from '../audit/tools.ts';
import { checkLifetime } from '../lifetime.ts';
import { problemOf } from '../updater/task.ts';
import { argvFor } from './arguments.ts';
import { type Entry, openLedger } from './ledger.ts';
import { runTool } from './run.ts';

export type RunTool = Extract<HubMessage, { type: 'run-tool' }>;

/** Runs what the device's own file names as tools, each request once. */
export interface Tools {
  /**
   * Runs it, or says again what became of it. Never throws: a refusal is a result, and is remembered as one.
   * @param hubNow hub time, for the order's lifetime
   * @param sent how it came, for the audit log
   */
  take(order: RunTool, hubNow: number, sent?: Sent): void;
  /** What the hub has not acknowledged, for a connect. */
  results(): readonly ToolResult[];
  acknowledge(request: string): void;
  /** Ends what runs. */
  stop(): Promise<void>;
}

/** What is to be said of an end. */
type Ending = Omit<ToolResult, 'request' | 'tool' | 'output' | 'ms'> & { readonly output?: string };

/** At the same time on one device. */
const AT_ONCE = 4;
/** Results that wait for the hub, and requests that are remembered. */
const MOST_WAITING = 100;
const MOST_KNOWN = 10_000;

export function createTools(deps: {
  readonly tools: Readonly<Record<string, ToolConfig>>;
  readonly device: string;
  readonly folder: string;
  readonly basicEnvironment: Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly audit: ToolLog;
  readonly redact: (text: string) => string;
  readonly send: (result: ToolResult) => void;
  readonly log: (line: string) => void;
}): Tools {
  const { clock, log } = deps;
  const ledger = openLedger(deps.folder);
  const audit = createToolAudit(deps.audit);
  const shutdown = new AbortController();
  const running = new Map<string, Promise<void>>();
  // What an agent before this one had begun: whether it ended, and how, nobody can say. It is not run again.
  audit.catchUp(ledger.list().flatMap(({ result, acknowledgedAt }) => (result && !acknowledgedAt ? [result] : [])));
  for (const entry of ledger.list()) {
    if (!entry.result) end(entry, { state: 'unknown', problem: problem('tool_end_unknown', entry.tool) });
  }
  ledger.prune(clock.now());

  function problem(code: 'tool_end_unknown', tool: string) {
    return problemOf(new FettleError(code, { data: { tool } }), tool);
  }

  function end(entry: Entry, how: Ending): void {
    const result = resultOf(entry, how);
    keep(entry, result);
    audit.ended(result);
    deps.send(result);
  }

  function resultOf({ request, tool, startedAt }: Entry, how: Ending): ToolResult {
    return { request, tool, ms: Math.max(0, clock.now() - startedAt), output: '', ...how };
  }

  function keep(entry: Entry, result: ToolResult): void {
    try {
      ledger.write({ ...entry, result });
    } catch (error) {
      log(`${entry.request}: its result could not be written down: ${String(error)}`);
    }
  }

  /** @throws {FettleError} what keeps it from being run */
  function admit(order: RunTool, hubNow: number): { readonly tool: ToolConfig; readonly argv: readonly string[] } {
    const { tool: name, capability } = order;
    const denied = (what: string) => new FettleError('capability_denied', { data: { app: name, what } });
    if (order.device !== deps.device) throw denied('an order for another device');
    checkLifetime(name, order, hubNow);
    const tool = Object.hasOwn(deps.tools, name) ? deps.tools[name] : undefined;
    if (!tool) throw denied(`the tool ${name}`);
    if (capability && !capability.tools.includes(name)) throw denied(`the tool ${name} by an order for something else`);
    // Looked at here, and not only at the hub: what that knows of this file may be of before.
    if (tool.role === 'admin' && order.role !== undefined && order.role !== 'admin')
      throw new FettleError('not_allowed', { data: { needed: 'admin', has: order.role } });
    return { tool, argv: argvFor(name, tool, order.args) };
  }

  async function run(entry: Entry, tool: ToolConfig, argv: readonly string[]): Promise<void> {
    const { tool: name } = entry;
    try {
      const signal = shutdown.signal;
      const ended = await runTool({ name, tool, argv, basicEnvironment: deps.basicEnvironment, signal });
      if (ended.stopped === 'aborted') {
        end(entry, { state: 'unknown', problem: problem('tool_end_unknown', name) });
        return;
      }
      const text = deps.redact(ended.output);
      const output = lastBytes(text, tool.maxOutput);
      end(entry, {
        state: 'ended',
        code: ended.code,
        output,
        ...(ended.cut || output.length < text.length ? { cut: true } : {}),
        ...(ended.stopped === 'deadline' ? { timedOut: true } : {}),
      });
      log(`${entry.request} tool ${name}: ${ended.stopped ?? `ended with ${ended.code ?? 'a signal'}`}`);
    } catch (error) {
      log(`${entry.request} tool ${name}: ${deps.redact(String(error))}`);
      end(entry, { state: 'refused', problem: problemOf(error, name) });
    }
  }

  return {
    take(order, hubNow, sent) {
      const { request, tool: name } = order;
      const known = ledger.get(request);
      if (known) {
        audit.refused(order, 'known', sent);
        deps.send(known.result ?? { request, tool: known.tool, state: 'running', output: '', ms: 0 });
        return;
      }
      const entry: Entry = { v: 1, request, tool: name, startedAt: clock.now() };
      const refuse = (error: unknown): ToolResult => {
        const problem = problemOf(error, name);
        audit.refused(order, problem.code, sent);
        return { request, tool: name, state: 'refused', output: '', ms: 0, problem };
      };
      const waiting = ledger.list().filter(({ result, acknowledgedAt }) => result && acknowledgedAt === undefined);
      if (running.size >= AT_ONCE || waiting.length >= MOST_WAITING || ledger.list().length >= MOST_KNOWN) {
        // Not remembered: nothing was done, and there may be room later.
        deps.send(refuse(new FettleError('busy', { data: { app: name }, retryable: true })));
        return;
      }
      let admitted: ReturnType<typeof admit>;
      try {
        admitted = admit(order, hubNow);
      } catch (error) {
        log(`${request}: refused: ${String(error)}`);
        const result = refuse(error);
        keep(entry, result);
        deps.send(result);
        return;
      }
      try {
        // Before it is remembered: what is, is not asked for a second time, and would be nowhere in the audit log.
        audit.taken(order, sent);
        ledger.write(entry);
      } catch (error) {
        // What can't be remembered is not run: it could be run again. What nobody could find out later is not, either.
        deps.send(refuse(error));
        return;
      }
      log(`${request} tool ${name}: begins`);
      deps.send({ request, tool: name, state: 'running', output: '', ms: 0 });
      const work = run(entry, admitted.tool, admitted.argv).finally(() => running.delete(request));
      running.set(request, work);
    },

    results: () =>
      ledger.list().flatMap(({ request, tool, result, acknowledgedAt }) => {
        if (acknowledgedAt !== undefined) return [];
        return [result ?? { request, tool, state: 'running' as const, output: '', ms: 0 }];
      }),

    acknowledge(request) {
      const entry = ledger.get(request);
      if (!entry?.result || entry.acknowledgedAt !== undefined) return;
      // The hub has the output; who asks again hears how it ended.
      ledger.write({ ...entry, result: { ...entry.result, output: '' }, acknowledgedAt: clock.now() });
      ledger.prune(clock.now());
    },

    async stop() {
      shutdown.abort();
      await Promise.allSettled(running.values());
    },
  };
}

/** A message is JSON within JSON, and control characters grow there: so much of it is the output's. */
const MOST_WRITTEN = 180_000;

/** The end of a text, in bytes of UTF-8, as far as a message can carry it. */
function lastBytes(text: string, most: number): string {
  let end = lastOf(text, most);
  for (let left = most; JSON.stringify(JSON.stringify(end)).length > MOST_WRITTEN; ) {
    left = Math.floor(left * 0.7);
    end = lastOf(text, left);
  }
  return end;
}

function lastOf(text: string, most: number): string {
  const bytes = Buffer.from(text, 'utf8');
  if (bytes.length <= most) return text;
  return bytes
    .subarray(bytes.length - most)
    .toString('utf8')
    .replace(/^\uFFFD+/, '');
}
