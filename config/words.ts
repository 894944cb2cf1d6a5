import { z } from 'zod';

/** Words that several parts of a configuration file are made of. */

/** Inside the app's folder: no absolute path, no `..`, no empty part. */
export const relativePath = z
  .string()
  .refine(
    (path) =>
      path.length > 0 && !path.startsWith('/') && !path.split('/').some((p) => p === '..' || p === '' || p === '.'),
    'expected a path inside the app, such as data or config/local.json',
  );

/** A path that starts at the file, or at the root; made absolute where the file is read. */
export const anyPath = z.string().regex(/\S/, 'expected a path');

export const httpUrl = z.string().refine((text) => {
  try {
    return ['http:', 'https:'].includes(new URL(text).protocol);
  } catch {
    return false;
  }
}, 'expected an address that starts with http:// or https://');

/** One program with its arguments, run without a shell: `node server.js` or `[node, server.js]`. */
export const command = z.union([z.string().regex(/\S/), z.tuple([z.string().regex(/\S/)], z.string())], {
  error: 'expected a command, such as `node server.js` or [node, server.js]',
});
export type Command = z.infer<typeof command>;

/** Environment variables; numbers and booleans become text. */
export const variables = z.record(
  z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/),
  z.union([z.string(), z.number(), z.boolean()]).transform(String),
);

/** Bytes. */
export const size = z
  .string()
  .regex(/^\d+(MB|GB)$/, 'expected a size such as 500MB or 4GB')
  .transform((text) => Number(text.slice(0, -2)) * (text.endsWith('GB') ? 1e9 : 1e6));
