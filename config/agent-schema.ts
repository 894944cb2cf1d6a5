import { z } from 'zod';
import { APPROVALS } from '../src/domain/approval.ts';
import { gitRefProblem } from '../src/domain/git-address.ts';
import { isSignable, PUBLIC_KEY, TRUST_LEVELS, trustProblem } from '../src/domain/trust.ts';
import { duration } from './duration.ts';
import { HealthSchema } from './health-schema.ts';
import { RestartSchema } from './restart-schema.ts';
import { signer } from './signers.ts';
import { source } from './source-schema.ts';
import { ToolsSchema } from './tools-schema.ts';
import { anyPath, command, relativePath, size, variables } from './words.ts';

export { type Health, HealthSchema } from './health-schema.ts';
export type { Restart } from './restart-schema.ts';
export { type Signer, signerName } from './signers.ts';
export { argumentText, placeholderIn, type ToolArgument, type ToolConfig } from './tools-schema.ts';
export type { Command } from './words.ts';

/**
 * What a device's own file may say: which apps there are, where their releases may come from, how they run, and
 * how one knows that they are well. The agent does nothing that this file does not name.
 * Every key's `describe` is its line in docs/configuration.md.
 */

const name = z
  .string()
  .regex(/^[a-z][a-z0-9_-]{0,39}$/, 'expected a name of lower-case letters, digits, - and _, starting with a letter');

const gitRef = z.string().superRefine((ref, context) => {
  const problem = gitRefProblem(ref);
  if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
});

const deadlines = z
  .strictObject({
    fetching: duration('1s', '24h').optional().describe('Download, build or package installation. 30m.'),
    rehearsing: duration('1s', '24h').optional().describe("The candidate's rehearsal. 5m."),
    waiting: duration('1s', '7d').optional().describe('How long the app may say "not now". 1h.'),
    swapping: duration('1s', '24h').optional().describe('Second pass of the backup and the switch. 5m.'),
    probing: duration('1s', '24h').optional().describe('Until the new version has proven itself. 2m.'),
    reverting: duration('1s', '24h').optional().describe('Bringing code and data back. 10m.'),
  })
  .default({});

const BackupSchema = z
  .union([
    z.array(relativePath).transform((paths) => ({ paths })),
    z.strictObject({
      paths: z.array(relativePath).optional().describe('Paths of `keep`; all of them unless given.'),
      command: command.optional().describe('Prints what is backed up beside them, such as `pg_dump mydb`.'),
      restore: command.optional().describe('Reads that again, such as `psql mydb`.'),
      required: z.boolean().optional().describe('False: an update goes on without a backup that failed.'),
    }),
  ])
  .transform((value) => ({
    paths: value.paths,
    command: 'command' in value ? value.command : undefined,
    restore: 'restore' in value ? value.restore : undefined,
    required: 'required' in value ? (value.required ?? true) : true,
  }));

const RehearseSchema = z
  .union([
    command,
    z.strictObject({
      port: z.number().int().min(1).max(65_535).optional().describe('The port to use; any free one unless given.'),
      variable: z.string().default('PORT').describe('The variable that tells it the port.'),
      env: variables
        .default({})
        .describe('Other variables for it. Those that look like secrets are left out otherwise.'),
      for: duration('0s', '10m').default(2_000).describe('How long it must stay well.'),
    }),
  ])
  .transform((value) =>
    typeof value === 'string' || Array.isArray(value)
      ? ({ kind: 'command', command: value } as const)
      : ({ kind: 'boot', ...(value as Exclude<typeof value, readonly unknown[] | string>) } as const),
  );

const NotNowSchema = z
  .union([
    anyPath.transform((file) => ({ file })),
    z.strictObject({
      file: anyPath.optional().describe('The app must not be stopped while this file is there.'),
      command: command.optional().describe('Ends with status 75 while the app must not be stopped.'),
      every: duration('100ms', '10m').optional().describe('How often it is asked. 5s; a file alone 1s.'),
    }),
  ])
  .transform((value) => {
    const { file, command: hook, every } = { command: undefined, every: undefined, ...value };
    // A file costs nothing to look at.
    return { file, command: hook, every: every ?? (hook === undefined ? 1_000 : 5_000) };
  });

const approval = z.enum(APPROVALS).default('none');

const keys = z
  .array(
    z
      .string()
      .regex(
        PUBLIC_KEY,
        'expected a public key of minisign: RW… and 56 characters long, the second line of a `.pub` file',
      ),
  )
  .max(20)
  .default([]);

export const AppSchema = z.strictObject({
  source: source
    .optional()
    .describe(
      'Where releases come from: `npm PACKAGE`, `folder PATH` (relative to this file), `feed URL`, `git URL [REF]` with a branch, a tag or a pattern of tags such as `v*`, `github OWNER/REPO [TAGS]`, `gitea https://HOST/OWNER/REPO [TAGS]`; the last two also as a map.',
    ),
  trust: z
    .enum(TRUST_LEVELS)
    .optional()
    .describe(
      'What a release must have: `signed` (by one of `keys`), `source` (this device reads at the source itself what the release is), or `none`. Unless given: `signed` with `keys` and for `feed`, else `source`. See docs/signing.md.',
    ),
  keys: keys.describe(
    'Public keys (`RWQ…`) of `fettle keygen` or minisign: releases are taken only if one of them signed. In the agent.yaml of a device with keys and no `source`, the hub says where they are.',
  ),
  channel: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,39}$/)
    .default('stable')
    .describe('Which releases are eligible. For npm: `stable` is the dist-tag `latest`.'),
  approval: approval.describe(
    "Whether updates wait for somebody's word: `none`; `confirm`: another person's, or where there is none who could, the asker's once more; `second`: another person's, always. See docs/people.md.",
  ),
  install: z
    .string()
    .optional()
    .describe('Version to install when the app is not there yet; without it, `/update now` installs the newest.'),
  run: command
    .optional()
    .describe(
      'The command, run in the slot without a shell. Its first word may be a program of the package, `node`, or a path in the slot. Needed unless `binary` or `restart` says how it is started.',
    ),
  binary: anyPath
    .optional()
    .describe(
      'One executable that is replaced where it is, such as `/opt/robot/robot`. Releases are that file alone, or have it in them (`file`).',
    ),
  file: relativePath
    .optional()
    .describe('With `binary`: where the executable is in an archive, package or checkout. Its own name unless given.'),
  data: anyPath
    .optional()
    .describe('With `binary`: the folder that `keep` starts at. That of the executable unless given.'),
  build: z
    .string()
    .regex(/\S/)
    .optional()
    .describe('With a `git` source: makes a release of a checkout, run by `sh` in it (`npm ci && npm run build`).'),
  refs: z
    .array(gitRef)
    .min(1)
    .optional()
    .describe(
      'With a `git` source: branches, tags and patterns of tags that releases may come from on this device. The one of `source` unless given.',
    ),
  signedBy: z
    .array(signer)
    .min(1)
    .optional()
    .describe(
      'With a `git` source: whose signature a commit, or the tag of a release, must have. Public keys of ssh, lines of an allowed-signers file, or OpenPGP fingerprints.',
    ),
  cache: z.array(relativePath).default([]).describe('Folders that builds share, such as `node_modules` or `target`.'),
  env: variables
    .default({})
    .describe(
      'Environment of the app, beside PATH, HOME, USER, SHELL, LANG, LC_*, TZ and TMPDIR. Nothing else is inherited.',
    ),
  user: z
    .string()
    .regex(/^[a-z_][a-z0-9_-]*$|^\d+$/, 'expected a user of this machine')
    .optional()
    .describe('The user that the app runs as, with its supplementary groups. Fettle must be root for it.'),
  keep: z
    .array(relativePath)
    .default([])
    .describe(
      'Files and folders that outlive a switch: data, .env. Kept in `shared/`, linked into each slot; with `binary`, left where they are.',
    ),
  backup: BackupSchema.prefault({}).describe(
    'What is backed up before a switch: paths of `keep` (all of them unless given), or {paths, command, restore, required}.',
  ),
  healthy: HealthSchema.prefault({}).describe('When the app counts as well.'),
  restart: RestartSchema.prefault('kept').describe(
    'Who starts and stops the app: `kept` (Fettle itself), `systemd UNIT`, `systemd user UNIT`, `command PROGRAM` (called with start, stop, status), {start, stop, status}, or `signal SIGUSR2` (kept, and replaces itself when it gets the signal).',
  ),
  rehearse: RehearseSchema.optional().describe(
    "How a release is tried before the switch, while the old one serves: a command of the candidate's, or {port, env, for}: it is started on a copy of the data, on another port.",
  ),
  notNow: NotNowSchema.optional().describe(
    'When the app must not be stopped: a file that is there then, or {file, command, every}. A command says so with status 75, and why in its output.',
  ),
  stop: z
    .strictObject({
      signal: z.enum(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT']).default('SIGTERM').describe('Asks the app to end.'),
      grace: duration('0s', '10m').default(10_000).describe('Then SIGKILL.'),
      drain: command.optional().describe('Run before the signal, so that the app finishes what it is at.'),
      drainFor: duration('1s', '1h').default(30_000).describe('How long draining may take.'),
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
  maxDownload: size.prefault('2GB').describe('Largest artifact.'),
  maxUnpacked: size.prefault('8GB').describe('Largest slot.'),
});
export type AppConfig = z.infer<typeof AppSchema>;

export const AppsSchema = z.record(name, AppSchema).superRefine((apps, context) => {
  for (const [app, config] of Object.entries(apps)) {
    if (['on', 'all', 'hub', 'agent'].includes(app)) {
      context.addIssue({
        code: 'custom',
        path: [app],
        message: 'expected another name: on, all, hub and agent are reserved',
      });
    }
    const wrong = (key: string, message: string) => context.addIssue({ code: 'custom', path: [app, key], message });
    const same = Object.keys(apps).find((other) => other !== app && apps[other]?.binary === config.binary);
    if (config.binary !== undefined && same !== undefined) wrong('binary', `expected another path: ${same} has it too`);
    const starts = config.restart.kind === 'systemd' || config.restart.kind === 'command';
    if (config.run === undefined && config.binary === undefined && !starts) {
      wrong('run', 'expected a command, such as `node server.js` or [node, server.js]');
    }
    if (config.healthy.notify && config.user !== undefined && !starts) {
      wrong('healthy', "expected no `notify` beside `user`: the socket is out of that user's reach");
    }
    if (config.healthy.notify && config.restart.kind === 'command') {
      wrong('healthy', 'expected no `notify` beside `restart` by commands: nobody hears whom they start');
    }
    if (config.rehearse?.kind === 'boot' && config.binary !== undefined) {
      wrong('rehearse', 'expected a command: the data of `binary` is where it is, and a boot would work on it');
    } else if (config.rehearse?.kind === 'boot' && config.run === undefined) {
      wrong('rehearse', 'expected `run` beside it: it says what is started');
    }
    for (const key of ['refs', 'signedBy'] as const) {
      if (config[key] !== undefined && config.source?.kind !== 'git') wrong(key, 'expected a `git` source beside it');
    }
    const ref = config.source?.kind === 'git' ? config.source.ref : undefined;
    if (ref !== undefined && config.refs !== undefined && !config.refs.includes(ref)) {
      wrong('refs', `expected ${ref} among them: it is where \`source\` takes releases from`);
    }
    const untrusted = trustProblem(config);
    if (untrusted) wrong(untrusted.key, `expected ${untrusted.expected}`);
    for (const key of ['file', 'data'] as const) {
      if (config[key] !== undefined && config.binary === undefined) wrong(key, 'expected `binary` beside it');
    }
    for (const [index, path] of (config.backup.paths ?? []).entries()) {
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

/** Whoever replaces Fettle replaces everything that keeps rules: there is no other level for it. */
const SELF_KEYS =
  "the key of its releases (`keys: [RWQ…]`), which is needed for Fettle itself; a checkout's own is shown by `fettle publish --app fettle`";

/** Fettle itself: where its own releases come from. Hub and agent are updated from one package. */
export const SelfSchema = z
  .strictObject({
    source: source
      .optional()
      .describe(
        "Where Fettle's own releases come from: `folder PATH` or `feed URL` with what `npm pack` made, published with `--app fettle`; `npm PACKAGE`, `github OWNER/REPO` or `gitea URL`. Without it, `/update now hub` and `/update now agent` are refused.",
      ),
    keys: keys.describe(
      'Public keys (`RWQ…`) that sign releases of Fettle. Needed with `folder`, `feed`, `github` and `gitea`. That of a checkout is shown by `fettle publish --app fettle`.',
    ),
    channel: AppSchema.shape.channel,
    for: duration('0s', '1h')
      .default(10_000)
      .describe('How long a new hub or agent must stay well before its update counts.'),
    deadlines: deadlines.describe('How long a state of an update of Fettle may take.'),
    downgrade: AppSchema.shape.downgrade,
    approval: approval.describe('Whether updates of Fettle wait for somebody, as for an app.'),
  })
  .superRefine(({ source, keys }, context) => {
    const signed = source !== undefined && isSignable(source.kind);
    const problem = trustProblem({ source, keys, trust: signed ? 'signed' : undefined });
    const message = signed && problem ? `expected ${SELF_KEYS}` : `expected ${problem?.expected}`;
    if (problem) context.addIssue({ code: 'custom', path: [problem.key], message });
  });
export type SelfConfig = z.infer<typeof SelfSchema>;

/** How much updates may take of a device. */
export const UpdatesSchema = z.strictObject({
  atOnce: z.number().int().min(1).max(100).default(2).describe('How many apps are updated at once; others wait.'),
  keepBackups: duration('0s', '3650d')
    .default(86_400_000)
    .describe("Backups that are younger than this stay, whatever the hub's setting `retention` says."),
});

/** A minisign public key; whether it is one is judged where it is used. */
const minisignKey = z
  .string()
  .regex(/^RW[A-Za-z0-9+/]{54}$/, 'expected a public key of minisign: RW and 54 characters');

/** Keys that a device has beside its apps, wherever its file is. */
export const deviceKeys = {
  tools: ToolsSchema.default({}).describe(
    'Programs that people may have run here from the chat (`/device run`), by name.',
  ),
  policyKey: minisignKey
    .optional()
    .describe('Whose signature a policy must have that may replace agent.yaml from afar. Unless given, nothing may.'),
};

/** `agent.yaml` of a device in a fleet, and the device's part of a machine's single `fettle.yaml`. */
export const AgentSchema = z.strictObject({
  apps: AppsSchema.default({}).describe('The apps of this device, by name.'),
  fettle: SelfSchema.prefault({}).describe('Fettle itself.'),
  updates: UpdatesSchema.prefault({}).describe('How much updates may take of this device.'),
  allowInsecure: z
    .boolean()
    .default(false)
    .describe(
      'The device dials a hub that is elsewhere without TLS (`ws://`). What they say stays signed, but anybody on the way can read it.',
    ),
  ...deviceKeys,
});
export type AgentConfig = z.infer<typeof AgentSchema>;

/** The same where hub and agent share a file: the hub's keys are the hub's business. */
export const DeviceSchema = AgentSchema.extend({
  language: z.unknown().optional(),
  defaultApp: z.unknown().optional(),
  hub: z.unknown().optional(),
  chats: z.unknown().optional(),
  phrases: z.unknown().optional(),
  settings: z.unknown().optional(),
});
export type DeviceConfig = z.infer<typeof DeviceSchema>;
