import { z } from 'zod';

/** What several messages between hub and agent are made of. */

export const name = z.string().regex(/^[a-z][a-z0-9_-]{0,39}$/);
/** Ids become names of files (the journal's, a tool's): nothing of a path is in them. */
export const id = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,79}$/);
export const version = z.string().min(1).max(100);
export const at = z.number().int().nonnegative();

/** A code of `domain/errors` (kept a string here: a newer peer may know more) with the values for its text. */
export const Problem = z.object({
  code: z.string().max(60),
  data: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.array(z.string())])).default({}),
  retryable: z.boolean().default(false),
});
export type Problem = z.infer<typeof Problem>;
