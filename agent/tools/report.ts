import { argumentText, type ToolConfig } from '../../config/agent-schema.ts';
import type { ToolReport } from '../../src/protocol/messages.ts';

/** Tools as a hub is told of them, for help and completion. What they run is the device's own business. */
export function toolReports(tools: Readonly<Record<string, ToolConfig>>): ToolReport[] {
  return Object.entries(tools)
    .slice(0, MOST)
    .map(([name, { args, role, timeout }]) => ({
      name,
      role,
      timeoutMs: timeout,
      args: Object.entries(args).map(([key, argument]) => ({
        name: key,
        optional: argument.optional,
        expected: argumentText(argument).slice(0, 200),
        ...(argument.type === 'choice' ? { values: argument.values.slice(0, 20) } : {}),
      })),
    }));
}

/** What the protocol takes. */
const MOST = 50;
