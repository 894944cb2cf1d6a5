import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { duration } from './duration.ts';
import { anyPath } from './words.ts';

/**
 * Tools: programs of a device that people may have run from the chat. What is run is said here whole; from outside come
 * values for its placeholders alone, each one argument, checked against what is said of it here.
 */

const NAME = /^[a-z][a-z0-9_-]{0,39}$/;
/** `{name}`, and nothing beside it. */
const PLACEHOLDER = /^\{([a-z][a-z0-9_-]{0,39})\}$/;
/** The message that a result travels in has 256 KiB, and JSON may double what is in it. */
const MOST_OUTPUT = 96_000;

/** The name in a placeholder; `undefined` for an argument that is what it says. */
export function placeholderIn(element: string): string | undefined {
  return PLACEHOLDER.exec(element)?.[1];
}

const outputSize = z.string().transform((text, context) => {
  const [, digits = '', unit] = /^(\d{1,6})(B|kB)$/.exec(text) ?? [];
  const bytes = Number(digits) * (unit === 'kB' ? 1_000 : 1);
  if (unit !== undefined && bytes >= 100 && bytes <= MOST_OUTPUT) return bytes;
  context.addIssue({ code: 'custom', message: 'expected a size up to 96kB, such as 64kB or 500B' });
  return z.NEVER;
});

const pattern = z.string().refine((text) => {
  try {
    new RegExp(`^(?:${text})$`, 'u');
    return text.length <= 200;
  } catch {
    return false;
  }
}, 'expected a regular expression of 200 characters at most; it must fit the whole value');

const ArgumentSchema = z.discriminatedUnion(
  'type',
  [
    z.strictObject({
      type: z.literal('word'),
      pattern: pattern.optional(),
      optional: z.boolean().default(false),
    }),
    z.strictObject({
      type: z.literal('number'),
      min: z.number().default(0),
      max: z.number(),
      decimals: z.boolean().default(false),
      optional: z.boolean().default(false),
    }),
    z.strictObject({
      type: z.literal('choice'),
      values: z.array(z.string().regex(/^\S{1,100}$/, 'expected one word')).min(1),
      optional: z.boolean().default(false),
    }),
    z.strictObject({
      type: z.literal('path'),
      under: z.array(anyPath).min(1),
      optional: z.boolean().default(false),
    }),
  ],
  { error: 'expected {type: word, pattern}, {type: number, min, max}, {type: choice, values} or {type: path, under}' },
);
export type ToolArgument = z.infer<typeof ArgumentSchema>;

const argv = z
  .array(z.string(), {
    error: 'expected a list: the program and each of its arguments, such as [/usr/bin/systemctl, status, robot]',
  })
  .min(1)
  .refine(
    ([program = '']) => program !== '' && (isAbsolute(program) || !program.includes('/')) && !program.startsWith('{'),
    'expected a program first: an absolute path, or a name that is found in PATH',
  )
  .refine(
    (all) => all.every((one) => placeholderIn(one) !== undefined || !/\{[a-z][a-z0-9_-]*\}/.test(one)),
    'expected each {placeholder} to be an argument of its own, with nothing beside it',
  )
  .refine((all) => all.every((one) => !one.includes('\0')), 'expected no NUL');

export const ToolSchema = z
  .strictObject({
    run: argv.describe(
      'The program and its arguments, run without a shell. `{name}` stands for an argument of `args`, whole.',
    ),
    args: z
      .record(z.string().regex(NAME, 'expected a name of lower-case letters, digits, - and _'), ArgumentSchema)
      .default({})
      .describe(
        'What may be given: {type: word, pattern}, {type: number, min, max, decimals}, {type: choice, values} or {type: path, under: [folders]}; each may be `optional`.',
      ),
    user: z
      .string()
      .regex(/^[a-z_][a-z0-9_-]*$|^\d+$/, 'expected a user of this machine')
      .optional()
      .describe('The user that it runs as. Fettle must be root for it. The user of Fettle unless given.'),
    cwd: anyPath.optional().describe('Where it runs. `/` unless given.'),
    timeout: duration('1s', '1h').default(60_000).describe('Then it is killed, with all of its process group.'),
    maxOutput: outputSize.prefault('64kB').describe('How much of the end of its output is told.'),
    role: z.enum(['operator', 'admin']).default('operator').describe('Who may have it run.'),
  })
  .superRefine((tool, context) => {
    const used = tool.run.flatMap((one) => placeholderIn(one) ?? []);
    for (const name of used) {
      if (!Object.hasOwn(tool.args, name))
        context.addIssue({
          code: 'custom',
          path: ['run'],
          message: `expected ${name} in \`args\`: {${name}} is in \`run\``,
        });
    }
    let last: string | undefined;
    for (const [name, argument] of Object.entries(tool.args)) {
      const wrong = (message: string) => context.addIssue({ code: 'custom', path: ['args', name], message });
      if (!used.includes(name)) wrong(`expected {${name}} in \`run\`, or nothing here`);
      if (argument.type === 'number' && argument.min > argument.max) wrong('expected a `min` that is not above `max`');
      // Values are told apart by their order.
      if (last !== undefined && !argument.optional) wrong(`expected \`optional\` as well: ${last} before it is`);
      if (argument.optional) last = name;
    }
  });
export type ToolConfig = z.infer<typeof ToolSchema>;

export const ToolsSchema = z.record(
  z.string().regex(NAME, 'expected a name of lower-case letters, digits, - and _, starting with a letter'),
  ToolSchema,
);

/** What one argument may be, in a few words: for help and refusals. */
export function argumentText(argument: ToolArgument): string {
  switch (argument.type) {
    case 'word':
      return argument.pattern === undefined ? 'a word' : `a word like ${argument.pattern}`;
    case 'number':
      return `${argument.decimals ? 'a number' : 'a whole number'} from ${argument.min} to ${argument.max}`;
    case 'choice':
      return argument.values.join('|');
    case 'path':
      return `something in ${argument.under.join(' or ')}`;
  }
}
