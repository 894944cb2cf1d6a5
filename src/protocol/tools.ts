import { z } from 'zod';
import { id, name, Problem } from './words.ts';

/** Tools of a device's own file, as hub and agent speak of them. */

/** A tool that the device's file names. */
export const ToolReport = z.object({
  name,
  /** Who may have it run; never less than an operator. */
  role: z.enum(['operator', 'admin']).catch('admin'),
  timeoutMs: z.number().nonnegative(),
  /** In the order in which values are given. */
  args: z
    .array(
      z.object({
        name: z.string().max(40),
        optional: z.boolean(),
        /** In words. */
        expected: z.string().max(200),
        values: z.array(z.string().max(100)).max(20).optional(),
      }),
    )
    .max(20),
});
export type ToolReport = z.infer<typeof ToolReport>;

/** What became of a tool that was asked for. */
export const ToolResult = z.object({
  request: id,
  tool: z.string().max(80),
  /** `unknown`: it was begun, and nobody can say how it ended. It is not run again for this request. */
  state: z.enum(['running', 'ended', 'refused', 'unknown']),
  /** Exit code; null where a signal ended it. */
  code: z.number().int().nullable().optional(),
  timedOut: z.boolean().optional(),
  /** The end of what it wrote, redacted. */
  output: z.string().max(100_000),
  /** There was more. */
  cut: z.boolean().optional(),
  ms: z.number().nonnegative(),
  problem: Problem.optional(),
});
export type ToolResult = z.infer<typeof ToolResult>;

/** How it came out, in one word or two, as both audit logs have it: `ended 0`, `ended by a signal`, or a code. */
export function toolEnd({ state, code, problem }: Pick<ToolResult, 'state' | 'code' | 'problem'>): string {
  if (state === 'ended') return typeof code === 'number' ? `ended ${code}` : 'ended by a signal';
  return problem?.code ?? state;
}
