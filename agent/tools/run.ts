import type { ToolConfig } from '../../config/agent-schema.ts';
import { FettleError } from '../../src/domain/errors.ts';
import { type ChildResult, runChild } from '../../src/origin/child.ts';
import { asUser, OWN_VARIABLES, userOf, variablesOf } from '../restart/user.ts';

/** How a tool ended. */
export interface ToolEnd {
  /** Null where a signal ended it. */
  readonly code: number | null;
  readonly stopped?: 'deadline' | 'aborted' | undefined;
  /** The end of what it wrote, both streams as they came; longer than is told, because redaction comes first. */
  readonly output: string;
  /** There was more. */
  readonly cut: boolean;
}

/** A secret that is cut in two is no longer known: so much more is kept until it is looked for. */
const SLACK = 8_192;

/**
 * Runs a tool to its end: without a shell, in a group of its own that is killed whole at its time, with a minimal
 * environment, reading nothing.
 *
 * @throws {FettleError} `driver_unusable` where it can't be run as its user · `start_failed` where there is no such program
 */
export async function runTool(options: {
  readonly name: string;
  readonly tool: ToolConfig;
  readonly argv: readonly string[];
  /** PATH, HOME, LANG, TZ of this machine. */
  readonly basicEnvironment: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}): Promise<ToolEnd> {
  const { name, tool, signal } = options;
  const user = userOf(name, { user: tool.user, restart: { kind: 'kept' } });
  const basics = Object.entries(options.basicEnvironment);
  const left = user ? OWN_VARIABLES : ['XDG_RUNTIME_DIR'];
  const env = {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    ...Object.fromEntries(basics.filter(([key]) => !left.includes(key))),
    ...(user ? variablesOf(user) : {}),
    FETTLE_TOOL: name,
  };
  const [command = '', ...args] = [...(user ? asUser(user) : []), ...options.argv];
  const end = createEnd(tool.maxOutput + SLACK);
  let result: ChildResult;
  try {
    result = await runChild({
      ...{ command, args, env, signal },
      cwd: tool.cwd ?? '/',
      deadlineMs: tool.timeout,
      maxOutput: SLACK,
      onOutput: (chunk) => end.add(chunk),
      onError: (text) => end.add(Buffer.from(text)),
    });
  } catch (error) {
    const reason =
      (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no such program or folder' : String(error);
    throw new FettleError('start_failed', { data: { app: name, reason }, cause: error });
  }
  const stopped = result.stopped === 'output' ? undefined : result.stopped;
  return { code: result.code, ...(stopped ? { stopped } : {}), output: end.text(), cut: end.isCut() };
}

/** The last bytes of what comes, in bounded memory. */
function createEnd(most: number) {
  let kept: Buffer[] = [];
  let bytes = 0;
  let cut = false;
  const trim = () => {
    const all = Buffer.concat(kept);
    cut ||= all.length > most;
    const last = all.subarray(Math.max(0, all.length - most));
    kept = [last];
    bytes = last.length;
  };
  return {
    add(chunk: Buffer) {
      kept.push(chunk);
      bytes += chunk.length;
      if (bytes > most * 2) trim();
    },
    text() {
      trim();
      return Buffer.concat(kept).toString('utf8');
    },
    isCut: () => cut,
  };
}
