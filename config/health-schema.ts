import { z } from 'zod';
import { duration } from './duration.ts';
import { command, httpUrl } from './words.ts';

/** `8080`, `:8080` or `host:8080`. */
const tcp = z.union([z.number().int(), z.string()]).transform((value, context) => {
  const [, host = '127.0.0.1', port = ''] = /^(?:(.*):)?(\d{1,5})$/.exec(String(value)) ?? [];
  const number = Number(port);
  if (port !== '' && number > 0 && number <= 65_535) return { host: host || '127.0.0.1', port: number };
  context.addIssue({ code: 'custom', message: 'expected a port, such as 8080 or 127.0.0.1:8080' });
  return z.NEVER;
});

/** When an app counts as well. `process` always holds: it runs and does not restart. */
export const HealthSchema = z
  .strictObject({
    http: httpUrl.optional().describe('An address that must answer 2xx. The port must be owned by the app itself.'),
    version: z
      .string()
      .regex(/^\.[A-Za-z0-9_.-]*$/, 'expected a path into the JSON answer, such as .version, or . for all of it')
      .optional()
      .describe(
        'Where in the JSON answer of `http` or `command` the running version stands (`.version`); `.`: all of it.',
      ),
    tcp: tcp
      .optional()
      .describe('A port that must take connections: `8080`, or `HOST:PORT`. It must be owned by the app itself.'),
    command: command
      .optional()
      .describe('A command, run in the slot, that must end with status 0. What it prints may be the version.'),
    log: z.string().min(1).optional().describe('Text that a line of its log must have after each start.'),
    notify: z.boolean().optional().describe('It says `READY=1` on `$NOTIFY_SOCKET`, as systemd has it (sd_notify).'),
    every: duration('50ms', '1m').default(500).describe('Time between two checks.'),
    checks: z.number().int().min(1).max(1000).default(3).describe('Good answers in a row that are needed.'),
    for: duration('0s', '1h')
      .default(10_000)
      .describe('How long it must stay well before the update counts (the probe period).'),
    timeout: duration('50ms', '1m').default(5_000).describe('A check that takes longer has failed.'),
  })
  .superRefine((value, context) => {
    if (value.version !== undefined && value.http === undefined && value.command === undefined) {
      context.addIssue({
        code: 'custom',
        path: ['version'],
        message: 'expected `http` or `command` beside it: the version is read from its answer',
      });
    }
  });
export type Health = z.infer<typeof HealthSchema>;
