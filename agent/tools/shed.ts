import type { ToolConfig } from '../../config/agent-schema.ts';
import type { Clock } from '../../src/domain/id.ts';
import type { ToolResult } from '../../src/protocol/messages.ts';
import type { Tools } from './index.ts';

/** Tools, loaded where a device has them or somebody asks for one: most devices carry nothing of it. */
export interface ToolShed {
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
  /** Takes out what must not be shown of what a tool prints. */
  readonly redact: (text: string) => string;
  readonly send: (result: ToolResult) => void;
  readonly log: (line: string) => void;
}): ToolShed {
  let opening: Promise<Tools> | undefined;
  let tools: Tools | undefined;
  return {
    open() {
      opening ??= import('./index.ts').then(({ createTools }) => {
        tools = createTools(deps);
        return tools;
      });
      return opening;
    },
    results: () => tools?.results() ?? [],
    stop: async () => tools?.stop(),
  };
}
