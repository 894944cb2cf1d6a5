import { z } from 'zod';
import { duration } from './duration.ts';

/**
 * What a device's own file may say: which apps there are, where their releases may come from, how they run, and
 * how one knows that they are well. The agent does nothing that this file does not name.
 * Every key's `describe` is its line in docs/configuration.md.
 */

const name = z
  .string()
  .regex(/^[a-z][a-z0-9_-]{0,39}$/, 'expected a name of lower-case letters, digits, - and _, starting with a letter');

/** Inside the app's folder: no absolute path, no `..`, no empty part. */
const relativePath = z
  .string()
  .refine(
    (path) =>
      path.length > 0 && !path.startsWith('/') && !path.split('/').some((p) => p === '..' || p === '' || p === '.'),
    'expected a path inside the app, such as data or config/local.json',
  );

const httpUrl = z.string().refine((text) => {
  try {
    return ['http:', 'https:'].includes(new URL(text).protocol);
  } catch {
    return false;
  }
}, 'expected an address that starts with http:// or https://');

/** `npm NAME`, `folder PATH`, `feed URL`. */
const source = z.string().transform((text, context) => {
  const [kind = '', ...rest] = text.trim().split(/\s+/);
  const value = rest.join(' ');
  if (kind === 'npm' && /^(@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/.test(value)) {
    return { kind: 'npm' as const, package: value };
  }
  if (kind === 'folder' && value !== '') return { kind: 'folder' as const, path: value };
  if (kind === 'feed' && httpUrl.safeParse(value).success) return { kind: 'feed' as const, url: value };
  context.addIssue({ code: 'custom', message: 'expected `npm PACKAGE`, `folder PATH` or `feed URL`' });
  return z.NEVER;
});

/** When an app counts as well. `process` always holds: it runs and does not restart. */
export const HealthSchema = z
  .strictObject({
    http: httpUrl.optional().describe('An address that must answer 2xx. The port must be owned by the app itself.'),
    version: z
      .string()
      .regex(/^\.[A-Za-z0-9_.-]+$/, 'expected a path into the JSON answer, such as .version')
      .optional()
      .describe('Where in the JSON answer of `http` the running version stands (`.version`).'),
    every: duration('50ms', '1m').default(500).describe('Time between two checks.'),
    checks: z.number().int().min(1).max(1000).default(3).describe('Good answers in a row that are needed.'),
    for: duration('0s', '1h')
      .default(10_000)
      .describe('How long it must stay well before the update counts (the probe period).'),
    timeout: duration('50ms', '1m').default(5_000).describe('A check that takes longer has failed.'),
  })
  .superRefine((value, context) => {
    if (value.version !== undefined && value.http === undefined) {
      context.addIssue({
        code: 'custom',
        path: ['version'],
        message: 'expected `http` beside it: the version is read from its answer',
      });
    }
  });
export type Health = z.infer<typeof HealthSchema>;

const deadlines = z
  .strictObject({
    fetching: duration('1s', '24h').optional().describe('Download, build or package installation. 30m.'),
    swapping: duration('1s', '24h').optional().describe('Second pass of the backup and the switch. 5m.'),
    probing: duration('1s', '24h').optional().describe('Until the new version has proven itself. 2m.'),
    reverting: duration('1s', '24h').optional().describe('Bringing code and data back. 10m.'),
  })
  .default({});

export const AppSchema = z.strictObject({
  source: source
    .optional()
    .describe('Where releases come from: `npm PACKAGE`, `folder PATH` (relative to this file) or `feed URL`.'),
  channel: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,39}$/)
    .default('stable')
    .describe('Which releases are eligible. For npm: `stable` is the dist-tag `latest`.'),
  install: z
    .string()
    .optional()
    .describe('Version to install when the app is not there yet; without it, `/update now` installs the newest.'),
  run: z
    .union([z.string().regex(/\S/), z.tuple([z.string().regex(/\S/)], z.string())], {
      error: 'expected a command, such as `node server.js` or [node, server.js]',
    })
    .describe(
      'The command, run in the slot without a shell. Its first word may be a program of the package, `node`, or a path in the slot.',
    ),
  env: z
    .record(
      z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/),
      z.union([z.string(), z.number(), z.boolean()]).transform(String),
    )
    .default({})
    .describe(
      'Environment of the app, beside PATH, HOME, USER, SHELL, LANG, LC_*, TZ and TMPDIR. Nothing else is inherited.',
    ),
  keep: z
    .array(relativePath)
    .default([])
    .describe('Files and folders that outlive a switch: data, .env. Kept in `shared/`, linked into each slot.'),
  backup: z
    .array(relativePath)
    .optional()
    .describe('What is backed up before a switch; `keep` unless given. Must be kept paths.'),
  healthy: HealthSchema.prefault({}).describe('When the app counts as well.'),
  restart: z.literal('kept').default('kept').describe('Who starts and stops the app: `kept` (Fettle itself).'),
  stop: z
    .strictObject({
      signal: z.enum(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT']).default('SIGTERM').describe('Asks the app to end.'),
      grace: duration('0s', '10m').default(10_000).describe('Then SIGKILL.'),
    })
    .prefault({})
    .describe('How the app is stopped.'),
  deadlines: deadlines.describe('How long a state of an update may take.'),
  scripts: z
    .boolean()
    .default(false)
    .describe(
      'npm packages: run install scripts. Off: a package that needs them fails its health check and is rolled back.',
    ),
  downgrade: z.enum(['last-good', 'any']).default('last-good').describe('To which older releases this device may go.'),
  maxDownload: z
    .string()
    .regex(/^\d+(MB|GB)$/, 'expected a size such as 500MB or 4GB')
    .default('2GB')
    .transform(readSize)
    .describe('Largest artifact.'),
  maxUnpacked: z
    .string()
    .regex(/^\d+(MB|GB)$/, 'expected a size such as 500MB or 4GB')
    .default('8GB')
    .transform(readSize)
    .describe('Largest slot.'),
});
export type AppConfig = z.infer<typeof AppSchema>;

function readSize(text: string): number {
  return Number(text.slice(0, -2)) * (text.endsWith('GB') ? 1e9 : 1e6);
}

export const AppsSchema = z.record(name, AppSchema).superRefine((apps, context) => {
  for (const [app, config] of Object.entries(apps)) {
    if (['on', 'all', 'hub', 'agent'].includes(app)) {
      context.addIssue({
        code: 'custom',
        path: [app],
        message: 'expected another name: on, all, hub and agent are reserved',
      });
    }
    for (const [index, path] of (config.backup ?? []).entries()) {
      const inside = config.keep.some((kept) => path === kept || path.startsWith(`${kept}/`));
      if (!inside)
        context.addIssue({
          code: 'custom',
          path: [app, 'backup', index],
          message: 'expected a path that `keep` names',
        });
    }
  }
});

/** Fettle itself: where its own releases come from. Hub and agent are updated from one package. */
export const SelfSchema = z.strictObject({
  source: source
    .optional()
    .describe(
      "Where Fettle's own releases come from: `folder PATH` or `feed URL` with what `npm pack` made, published with `--app fettle`; or `npm PACKAGE`. Without it, `/update now hub` and `/update now agent` are refused.",
    ),
  channel: AppSchema.shape.channel,
  for: duration('0s', '1h')
    .default(10_000)
    .describe('How long a new hub or agent must stay well before its update counts.'),
  deadlines: deadlines.describe('How long a state of an update of Fettle may take.'),
  downgrade: AppSchema.shape.downgrade,
});
export type SelfConfig = z.infer<typeof SelfSchema>;

/** `agent.yaml` of a device in a fleet, and the device's part of a machine's single `fettle.yaml`. */
export const AgentSchema = z.strictObject({
  apps: AppsSchema.default({}).describe('The apps of this device, by name.'),
  fettle: SelfSchema.prefault({}).describe('Fettle itself.'),
});
export type AgentConfig = z.infer<typeof AgentSchema>;

/** The same where hub and agent share a file: the hub's keys are the hub's business. */
export const DeviceSchema = AgentSchema.extend({
  language: z.unknown().optional(),
  defaultApp: z.unknown().optional(),
  hub: z.unknown().optional(),
  settings: z.unknown().optional(),
});
export type DeviceConfig = z.infer<typeof DeviceSchema>;
