import type { ErrorData } from '../../domain/errors.ts';
import { isErrorCode } from '../../domain/errors.ts';
import type { CardTexts, Messages, UpdateLike } from './contract.ts';
import { notices } from './en-notices.ts';
import { people } from './en-people.ts';
import { problems } from './en-problems.ts';
import { because, duration, relative, STATES, v } from './en-words.ts';
import { about, formatBytes } from './format.ts';
import { withdrawnFor } from './notices.ts';

/** English. */

const HEALTH = { healthy: 'healthy', ill: 'ill', stopped: 'stopped', unknown: 'not known yet' } as const;

const outageOf = (outage: string | undefined) => (outage ? `, outage ${outage}` : '');

const cards: CardTexts = {
  cancel: 'Cancel',
  force: 'Force',
  hold: 'Hold',
  tryAgain: 'Try again',
  rollBack: 'Roll back',
  showLog: 'Logs',
  restart: 'Restart',
  savedAs: (backup) => `its data, as ${backup}`,
  restartTitle: (name) => `${name}: restart`,
  rollbackTitle: (name, to) => `${name}: back to ${to ?? 'the last good version'}`,
  doing: {
    requested: 'starting',
    announced: 'about to begin by itself',
    approving: 'waiting for approval',
    queued: 'waiting for the device',
    sent: 'handing it to the device',
    received: 'preparing',
    fetching: 'fetching the new version',
    staged: 'verifying what was fetched',
    rehearsing: 'rehearsing',
    waiting: 'waiting until the app may be stopped',
    stopping: 'stopping the app',
    swapping: 'backing up and switching over',
    starting: 'starting the app',
    probing: 'checking that it works',
    committing: 'finishing',
    reverting: 'something failed; going back',
    restarting: 'starting the old version',
    reprobing: 'checking the old version',
    discarding: 'cleaning up',
    succeeded: 'succeeded',
    failed: 'failed',
    cancelled: 'cancelled',
    'rolled-back': 'rolled back',
    'rollback-failed': 'rollback failed',
    'timed-out': 'timed out',
  },
  doingRestore: {
    received: 'checking the backup',
    staged: "copying today's data",
    swapping: "backing up today's data",
    starting: 'putting the backup in place',
    restarting: 'starting on the data from before',
    reprobing: 'checking that it works as before',
  },
  cancelling: 'cancelling',
  of: (done, total) => `${done} of ${total}`,
  files: (done, total) => (total === undefined ? `${done} files` : `${done} of ${total} files`),
  checks: (done, total) => (total === undefined ? `${done} good answers` : `${done} of ${total} good answers`),
  left: (seconds) => `${duration(Math.max(1, Math.round(seconds)) * 1_000).replace(/\.0 s$/, ' s')} left`,

  backOnline: (name, to, outage) => `${name} is back online${to ? `, ${to}` : ''}${outageOf(outage)}`,
  installed: (name, to) => `${name}${v(to)} is installed and online`,
  restarted: (name, to, outage) => `${name} is back online after a restart${to ? `, ${to}` : ''}${outageOf(outage)}`,
  wentBack: (name, to, outage) =>
    `${name} is back online at its earlier version${to ? `, ${to}` : ''}${outageOf(outage)}`,
  rolledBack: (name, tried) => `${name}${tried ? ` ${tried} failed and was` : ''} rolled back`,
  serving: (name, running) => `${name}${v(running)} is serving again.`,
  outage: (outage) => `Outage ${outage}.`,
  dataRestored: 'Its data is as it was before the update.',
  dataKept: 'Its data was not touched.',
  databaseKept: 'It went on with its database: nothing was forgotten.',
  dataLeft: 'Its data is as the failed version left it: no backup was made before the switch.',
  noBackup: (why) => `It went on without a backup, as its configuration allows. ${why}`,
  dataNotBack: (why) => `Part of the data could not be brought back. ${why}`,
  setAside: (where) => `What the failed version wrote was set aside in ${where}.`,
  restoreTitle: (name, backup) => `${name}: restore of backup ${backup}`,
  restored: (name, backup, made, outage) =>
    `${name} runs on the data of backup ${backup}${made ? ` (${made})` : ''}${outageOf(outage)}`,
  backupMade: ({ from, to, restores }, name, made) =>
    `made ${made}${restores !== undefined ? `, before a restore of ${name}/${restores}` : to ? `, before ${from ? `${from} → ` : ''}${to}` : ''}`,
  restoreUndone: (name, backup) => `${name} did not work on the data of backup ${backup}`,
  dataFromBefore: 'Its data is as it was before the restore.',
  wrongDataAside: (where) => `The data that did not work is in ${where}.`,
  beforeIsBackup: (backup) => `The data from before is backup ${backup}.`,
  beforeIsAside: (where) => `The data from before is in ${where}; no backup of it was made.`,
  notInBackup: (paths) => `Not in that backup, and left as it was: ${paths.join(', ')}.`,
  notKeptNow: (paths) => `In that backup, but no longer backed up, so not restored: ${paths.join(', ')}.`,
  notUpdated: (name, to, kind) =>
    kind === 'restore'
      ? `The data of ${name} was not restored`
      : kind === 'restart'
        ? `${name} was not restarted`
        : kind === 'rollback'
          ? `${name} did not go back${to ? ` to ${to}` : ''}`
          : `${name} was not updated${to ? ` to ${to}` : ''}`,
  notInstalled: (name, to) => `${name}${v(to)} was not installed`,
  untouched: (name, running) => `${name}${v(running)} never noticed and runs on.`,
  cancelled: (name, to, kind) =>
    `${kind === 'restore' ? `Restore of the data of ${name}` : kind === 'restart' ? `Restart of ${name}` : kind === 'rollback' ? `Rollback of ${name}` : `${kind === 'install' ? 'Installation' : 'Update'} of ${name}${to ? ` to ${to}` : ''}`} cancelled`,
  timedOut: (name, to, kind) =>
    `${kind === 'restore' ? 'Restore' : kind === 'restart' ? 'Restart' : kind === 'rollback' ? 'Rollback' : 'Update'} of ${name}${to && kind !== 'restart' && kind !== 'restore' ? ` to ${to}` : ''} timed out`,
  timedOutWhy: 'The device did not take it in time. It reports what it did, if anything, when it is back.',
  rollbackFailed: (name) => `${name} could not be brought back`,
  notServing: (name) => `${name} may not be serving. Fettle goes on trying to start it.`,
  rescue: (name) =>
    `Fettle goes on trying to start it. Its log: /update logs ${name}. Then: /update restart ${name}, or on the device: fettle rescue ${name}`,
  fieldWhat: 'version',
  fieldProof: 'proof',
  fieldTrust: 'release',
  fieldTook: 'took',
  fieldBackup: 'backup',
  proofReported: 'reported its version',
  proofSlot: 'seen to run from the new slot',
  logOf: (name) => `The end of ${name}'s log:`,
};

function outcome(update: UpdateLike): string {
  const result = update.outcome;
  const outage = result?.outageMs === undefined ? undefined : duration(result.outageMs);
  const why = result?.problem
    ? `: ${problem(result.problem.code, about(update, result.problem.data)).text.replace(/\.$/, '')}`
    : '';
  switch (update.state) {
    case 'succeeded':
      return `${update.kind === 'restore' ? 'restored' : update.kind === 'restart' ? 'restarted' : update.kind === 'rollback' ? 'went back' : update.kind === 'install' ? 'installed' : 'updated'}${outageOf(outage)}`;
    case 'failed':
    case 'rolled-back':
    case 'rollback-failed':
      return `${STATES[update.state]}${why}`;
    case 'cancelled': {
      const reason = withdrawnFor(update);
      return reason ? `${STATES.cancelled}: ${notices.withdrawn[reason].replace(/[.]$/, '')}` : STATES.cancelled;
    }
    default:
      return STATES[update.state];
  }
}

function problem(code: string, data: ErrorData, now?: number) {
  if (isErrorCode(code)) return problems[code](data, now);
  return { text: `It failed with “${code}”${because(data)}.`, next: 'The log has the details.' };
}

export const en: Messages = {
  language: 'en',
  bytes: formatBytes,
  rate: (bytes) => `${formatBytes(bytes)}/s`,
  duration,
  relative,
  state: (state) => STATES[state],
  health: (health) => HEALTH[health],
  outcome,
  problem,
  problems,
  cards,
  notices,
  people,
  router: {
    strangerTitle: 'Hello',
    stranger: "I don't know you yet, so I can't do anything for you here.",
  },
};
