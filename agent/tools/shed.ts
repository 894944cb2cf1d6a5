import { readdirSync } from 'node:fs';
import type { ToolConfig } from '../../config/agent-schema.ts';
import type { Clock } from '../../src/domain/id.ts';
import type { Redact } from '../../src/domain/redact.ts';
import type { ToolResult } from '../../src/protocol/messages.ts';
import type { ToolLog } from '../audit/tools.ts';
import type { Tools } from './index.ts';

/** Tools, loaded where a device has them or somebody asks for one: most devices carry nothing of it. */
export interface ToolShed {
  /**
   * Opens it where the device has tools, or where something of before is kept: how that ended has to be told at the next
   * connect, whatever the file names now. To be settled before the first.
   */
  start(): Promise<void>;
  open(): Promise<Tools>;
  /** What the hub has not acknowledged. */
  results(): readonly ToolResult[];
  stop(): Promise<void>;
}

export function createToolShed(deps: {
  readonly tools: Readonly<Record<string, ToolConfig>>;
  readonly device: string;
  readonly folder: string;
  readonly basicEnvironment: Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly audit: ToolLog;
  /** Hides what must not be in what a tool prints. */
  readonly redact: Redact;
  readonly send: (result: ToolResult) => void;
  readonly log: (line: string) => void;
}): ToolShed {
  let opening: Promise<Tools> | undefined;
  let tools: Tools | undefined;
  function open(): Promise<Tools> {
    opening ??= import('./index.ts').then(({ createTools }) => {
      tools = createTools(deps);
      return tools;
    });
    return opening;
  }
  return {
    async start() {
      if (Object.keys(deps.tools).length > 0 || isKept(deps.folder)) await open();
    },
    open,
    results: () => tools?.results() ?? [],
    stop: async () => tools?.stop(),
  };
}

function isKept(folder: string): boolean {
  try {
    return readdirSync(folder).length > 0;
  } catch {
    return false;
  }
}
