import { isSelf } from '../../domain/app.ts';
import type { ErrorCode, ErrorData } from '../../domain/errors.ts';
import { SETTING_TEXTS, settingKeyOf } from '../../domain/setting-texts.ts';
import { isUpdateState } from '../../domain/update.ts';
import type { ProblemWriter } from './contract.ts';
import { badArguments } from './en-arguments.ts';
import { chatProblems } from './en-chats.ts';
import { deviceProblems } from './en-devices.ts';
import { originProblems } from './en-origins.ts';
import { peopleProblems } from './en-people.ts';
import { app, because, device, duration, or, STATES, version, when } from './en-words.ts';
import { formatBytes, list, number, text as t } from './format.ts';

/** English: a text for every error code: what happened, to what, what to do next. */

const App = (data: ErrorData) => t(data.app) || 'The app';

/** ` of APP`, or nothing. */
const ofApp = (data: ErrorData) => (data.app ? ` of ${t(data.app)}` : '');

const didYouMean = (data: ErrorData) => {
  const nearest = list(data.nearest);
  return nearest.length > 0 ? `Did you mean ${or(nearest)}?` : undefined;
};

export const problems: Record<ErrorCode, ProblemWriter> = {
  ...chatProblems,
  ...peopleProblems,
  ...deviceProblems,
  ...originProblems,
  unknown_command: (d) => ({
    text: d.typed ? `I don't know the command “${t(d.typed)}”.` : "That isn't a command.",
    next: didYouMean(d) ?? 'Type /help for what there is.',
  }),
  unknown_app: (d) => ({
    text: `There is no app “${t(d.typed ?? d.app)}”.`,
    next:
      didYouMean(d) ??
      (list(d.apps ?? d.known).length > 0
        ? `There is: ${list(d.apps ?? d.known).join(', ')}.`
        : 'Add it to fettle.yaml.'),
  }),
  unknown_version: (d) => ({
    text: `${App(d)} has no version ${t(d.version)}.`,
    next: list(d.newest).length > 0 ? `The newest are ${list(d.newest).join(', ')}.` : 'Its source offers none.',
  }),
  unknown_update: (d) => ({
    text: `There is no update ${t(d.id)}.`,
    next: didYouMean(d) ?? '/update history lists the past ones, /update status those that run.',
  }),
  unknown_backup: (d) => ({
    text: d.backup ? `There is no backup ${t(d.backup)}.` : `Which backup${ofApp(d)}?`,
    next: list(d.known).length > 0 ? `There is: ${list(d.known).join(', ')}.` : `There are no backups${ofApp(d)} yet.`,
  }),
  bad_arguments: (d) => ({ text: badArguments(d), next: d.usage ? `Usage: ${t(d.usage)}` : undefined }),
  unknown_setting: (d) => ({
    text: `There is no setting “${t(d.key)}”.`,
    next: didYouMean(d) ?? `There is: ${list(d.known).join(', ')}.`,
  }),
  bad_setting: (d) => ({
    text: `“${t(d.value)}” is no value for ${t(d.key) || 'this setting'}.`,
    next: `Expected ${expectedOf(d)}. Nothing was changed.`,
  }),
  app_needed: (d) => ({
    text: 'Which app?',
    next:
      list(d.apps).length > 0
        ? `There is: ${list(d.apps).join(', ')}.`
        : 'There are no apps yet. Add one to fettle.yaml.',
  }),
  not_allowed: (d) => ({
    text: d.needed
      ? `This needs the role ${t(d.needed)}; you are ${t(d.has) || 'not known here'}.`
      : 'You may not do this.',
    next: 'Ask an admin.',
  }),
  rate_limited: (d) => ({
    text: 'That was too much at once.',
    next:
      number(d.retryAfterMs) === undefined
        ? 'Wait a moment.'
        : `Try again in ${duration(number(d.retryAfterMs) ?? 0)}.`,
  }),

  in_progress: (d, now) => ({
    text: `${App(d)} is being updated already: ${t(d.id)}, started by ${t(d.who) || 'somebody'}${d.startedAt ? ` ${when(d.startedAt, now)}` : ''}, now ${stateName(t(d.state))}.`,
    next: d.id ? `/update status ${t(d.id)} shows it, /update cancel ${t(d.id)} stops it.` : undefined,
  }),
  nothing_to_cancel: (d) => ({
    text: d.id ? `${t(d.id)} is over already${d.state ? `: ${stateName(t(d.state))}` : ''}.` : 'No update is running.',
  }),
  too_late_to_force: (d) => ({
    text: `${t(d.id) || 'The update'} of ${app(d)} can't be forced: it does not wait any more (${stateName(t(d.state))}).`,
  }),
  not_waiting: (d) => ({
    text: `${t(d.id) || 'The update'} of ${app(d)} does not wait for the app (${stateName(t(d.state))}).`,
  }),
  agent_too_old: (d) => ({
    text: `The agent of ${device(d)} does not understand this.`,
    next: '/update now agent brings it to the version of the hub.',
  }),
  too_late_to_cancel: (d) => ({
    text: `It is too late to cancel ${t(d.id) || 'the update'}: ${app(d)} is being switched (${stateName(t(d.state))}).`,
    next: `If the new version does not prove itself, it goes back by itself; ${d.app ? `/update rollback ${t(d.app)}` : '/update rollback'} does so afterwards.`,
  }),
  already_latest: (d) => ({ text: `${App(d)} is at the latest version${d.version ? `, ${t(d.version)}` : ''}.` }),
  already_running_version: (d) => ({ text: `${App(d)} runs ${t(d.version) || 'that version'} already.` }),
  downgrade_refused: (d) => ({
    text: `${App(d)} ${t(d.to ?? d.version)} is older than ${t(d.from) || 'what runs'}, and the device goes back to its last good version only.`,
    next: `/update rollback ${t(d.app)} goes there. For any version, set downgrade: any for the app in the device's file.`,
  }),
  release_blocked: (d) => ({
    text: `${App(d)} ${t(d.version)} failed here before, so it is not tried again by itself.`,
    next: `/update now ${t(d.app) || 'APP'}@${t(d.version)} --force tries it again.`,
  }),
  release_skipped: (d) => ({
    text: `${App(d)} is at its latest version but for ${t(d.version)}, which is skipped.`,
    next: `/update now ${t(d.app) || 'APP'}@${t(d.version)} takes it all the same.`,
  }),
  pinned: (d) => ({
    text: `${App(d)} is held at ${t(d.version)}${d.who ? ` by ${t(d.who)}` : ''}.`,
    next: `/update unpin ${t(d.app) || 'APP'} lets it go; --force goes past it once.`,
  }),
  no_last_good: (d) => ({
    text: `${App(d)} has no earlier good version to go back to.`,
    next: `/update now ${t(d.app) || 'APP'}@VERSION installs a given one.`,
  }),
  no_source: (d) =>
    isSelf(t(d.app))
      ? {
          text: `${App(d)} is Fettle itself, and no source is configured for Fettle's own releases.`,
          next: 'Give it one in fettle.yaml, such as fettle: {source: folder releases/fettle}.',
        }
      : {
          text: `${App(d)} has no source, so nobody can say what is new.`,
          next: `Give it a source in fettle.yaml.`,
        },
  not_installed: (d) => ({ text: `${App(d)} is not installed.`, next: `/update now ${t(d.app)} installs it.` }),
  not_restorable: (d) => ({
    text: `${App(d)} must not forget what it has said and heard, so its database is not put back from a chat.`,
    next: 'docs/recovery.md says how to do it by hand, with Fettle stopped.',
  }),
  no_updater: (d) => ({
    text: `No agent here can update ${app(d)}: an app is updated by the agent on its own machine.`,
    next: 'Start hub and agent together with `fettle up`, or update it where it was installed.',
  }),
  no_log: (d) => ({ text: `There is no log${ofApp(d)}${d.id ? ` for ${t(d.id)}` : ''}.` }),

  busy: (d) => ({
    text: d.other
      ? `${App(d)} waits until the update of ${t(d.other)} is over.`
      : `${d.app ? App(d) : 'The device'} is busy with another update${because(d)}.`,
    next: 'Try again when it is over.',
  }),
  check_unusable: (d) => ({
    text: `${App(d)} can't be checked as its file says (${t(d.check)})${because(d)}.`,
    next: 'Mend that, or change `healthy:` in the file on the device. Nothing was touched.',
  }),
  driver_unusable: (d) => ({
    text: `${App(d)} can't be started and stopped as its file says (${t(d.driver)})${because(d)}.`,
    next: 'Mend that, or change `restart:` in the file on the device. Nothing was touched.',
  }),
  writes_into_slot: (d) => ({
    text: `${App(d)} writes into its own folder (${t(d.path)}): an update would lose that.`,
    next: `Add it to the file on the device: keep: [${t(d.keep ?? d.path)}]. Nothing was touched.`,
  }),
  other_filesystem: (d) => ({
    text: `${t(d.path)} is on another file system than ${t(d.other)}, and can't be switched in one step.`,
    next: `${d.advice ? t(d.advice) : 'Move one of them'}. Nothing was touched.`,
  }),
  not_replaceable: (d) => ({
    text: `${t(d.path)} can't be replaced${because(d)}.`,
    next: `${d.advice ? `${t(d.advice)}. ` : ''}Nothing was touched.`,
  }),
  init_refused: (d) => ({
    text: `${t(d.path)} is not taken over${because(d)}.`,
    next: d.advice ? t(d.advice) : 'Nothing was changed.',
  }),
  service_refused: (d) => ({
    text: `Fettle is not made a service${because(d)}.`,
    next: d.advice ? `${t(d.advice)}.` : 'Nothing was changed.',
  }),
  locked_by_app: (d) => ({
    text: d.ended
      ? `${App(d)} said until the deadline that it must not be stopped${because(d)}.`
      : `${App(d)} says that it must not be stopped now${because(d)}.${d.until ? ` It has said so since ${when(d.since, undefined)}; it is waited for until ${when(d.until, undefined)}.` : ''}`,
    next: d.ended ? 'What was fetched is kept for the next try. --force does not wait.' : undefined,
  }),
  outside_window: (d, now) => ({
    text: `The maintenance window is closed${d.opensAt ? `; it opens ${when(d.opensAt, now)}` : ''}.`,
    next: '--force does not wait for it.',
  }),

  rehearsal_failed: (d) => ({
    text: `${version(d)} did not pass its rehearsal${because(d)}.`,
    next: 'It was not switched to. Mend the release, or what it complains about.',
  }),

  no_space: (d) => ({
    text: `The device's disk is full${number(d.needed) === undefined ? '' : `: ${formatBytes(number(d.needed) ?? 0)} needed${number(d.free) === undefined ? '' : `, ${formatBytes(number(d.free) ?? 0)} free`}`}${number(d.needed) === undefined ? because(d) : ''}.`,
    next: 'Make room, then try again.',
  }),
  io_failed: (d) => ({ text: `The device's disk does not work as it should${because(d)}.`, next: 'Look at the disk.' }),
  backup_failed: (d) =>
    d.backup
      ? {
          text: `Backup ${t(d.backup)} can't be put back${d.path ? `: ${t(d.path)}` : ''}${because(d)}.`,
          next: `Choose another: /update backups ${t(d.app)}`.trim(),
        }
      : {
          text: `The data${ofApp(d)} could not be backed up${d.path ? `: ${t(d.path)}` : ''}${because(d)}.`,
          next: 'Nothing is switched without a backup. Mend this, then try again.',
        },
  start_failed: (d) => ({
    text: `${version(d)} could not be started${because(d)}.`,
    next: "Look at the app's `run` in fettle.yaml and at the log.",
  }),
  stop_failed: (d) => ({
    text: `${App(d)} could not be stopped${because(d)}.`,
    next: 'Look at what it is doing, on the device.',
  }),
  crashed: (d) => ({
    text: `${version(d)} ended by itself${exit(d)}${because(d)}.`,
    next: 'The log says why.',
  }),
  health_failed: (d) => ({
    text: `${version(d)} failed its health check${d.check ? ` (${t(d.check)})` : ''}${d.status ? `: it answered HTTP ${t(d.status)}` : ''}${because(d)}.`,
    next: 'Mend the release, or the check in fettle.yaml.',
  }),
  wrong_version: (d) => ({
    text: `The version that runs is ${t(d.found) || 'another one'}, not ${t(d.expected) || 'the new one'}.`,
    next: 'Look at what the release says about its version.',
  }),
  deadline_passed: (d) => ({
    text: `It took too long${d.state ? ` (${stateName(t(d.state))})` : ''}${afterMs(d) === undefined ? '' : `: more than ${duration(afterMs(d) ?? 0)}`}${because(d)}.`,
    next: "Try again; the app's `deadlines` can be longer.",
  }),
  interrupted: (d) => ({
    text: `The device was restarted in the middle of it${d.state ? ` (${stateName(t(d.state))})` : ''}${because(d)}.`,
    next: 'Try again.',
  }),
  interrupted_too_often: (d) => ({
    text: `It was interrupted too often${d.times ? ` (${t(d.times)} times)` : ''}${d.state ? `, last while ${stateName(t(d.state))}` : ''}.`,
    next: 'Find out what restarts the device or the agent, then try again.',
  }),
  journal_unreadable: (d) => ({
    text: `This agent cannot read the journal of an update that is under way${because(d)}.`,
    next: 'The agent before it is started again and goes on.',
  }),
  build_failed: (d) => ({
    text: `The build${ofApp(d)} failed${because(d)}.`,
    next: `The whole output is on the device, in logs/${t(d.app)}.build.log.`,
  }),

  rolled_back: (d) => ({ text: `${App(d)} was rolled back${d.version ? ` to ${t(d.version)}` : ''}${because(d)}.` }),
  rollback_failed: (d) => ({
    text: `${App(d)} could not be brought back${because(d)}.`,
    next: `Fettle goes on trying to start it. Its log: /update logs ${t(d.app)}. Then: /update restart ${t(d.app)}`,
  }),
  timed_out: (d) => ({
    text: `The update${ofApp(d)} took too long and was given up${because(d)}.`,
    next: 'Try again.',
  }),
  cancelled: (d) => ({ text: `The update${ofApp(d)} was cancelled.` }),

  config_invalid: (d) => ({
    text: `The configuration is not right: ${t(d.file)}${d.line ? `:${t(d.line)}` : ''}${d.key ? `: ${t(d.key)}` : ''}${d.expected ? `: ${t(d.expected)}` : ''}${because(d)}.`,
    next: didYouMean(d) ?? 'Mend the file, then start again.',
  }),
  config_missing: (d) => ({
    text: `There is no configuration at ${t(d.file ?? d.path)}.`,
    next: 'Run fettle up to make one.',
  }),
  home_not_writable: (d) => ({
    text: `The home ${t(d.home ?? d.path)} can't be written to${because(d)}.`,
    next: 'Set FETTLE_HOME to a folder of yours.',
  }),
  home_in_use: (d) => ({
    text: `Another Fettle runs on the home ${t(d.path)}${d.pid ? ` (process ${t(d.pid)})` : ''}.`,
    next: 'Use fettle chat to talk to it, or fettle down to stop it.',
  }),
  port_in_use: (d) => ({
    text: d.address
      ? `The hub can't listen at ${t(d.address)}${because(d)}.`
      : `Port ${t(d.port)} is taken by another program.`,
    next: d.address
      ? 'Look at `hub.listen` in fettle.yaml.'
      : 'Set FETTLE_PORT (0 takes any free one) or hub.port in fettle.yaml.',
  }),
  node_too_old: (d) => ({
    text: `Node.js ${t(d.found ?? d.version)} is too old.`,
    next: `Fettle needs ${t(d.needed) || '22.18'} or newer.`,
  }),
  wrong_runtime: (d) => ({
    text: `${App(d)}${d.version ? ` ${t(d.version)}` : ''} was installed for another Node.js, so it would not start: ${t(d.module)} is for ABI ${t(d.for)}, this is ${t(d.here)}.`,
    next: `Nothing was touched. /update now ${t(d.app)} installs a release for this Node.js.`,
  }),
  platform_unsupported: (d) => ({ text: `Fettle does not run on ${t(d.platform)}.`, next: 'Use Linux.' }),
  hub_unreachable: (d) => ({
    text: `The hub does not answer${because(d)}.`,
    next: d.log ? `Its log: ${t(d.log)}` : 'Is it running? fettle up starts it.',
  }),
  keeper_unreachable: (d) => ({
    text: `The keeper does not answer${because(d)}.`,
    next: d.log ? `Its log: ${t(d.log)}` : 'Is it running? fettle up starts it.',
  }),
  protocol_violation: (d) => ({
    text: `The other side said something that makes no sense${because(d)}.`,
    next: 'Are both of them versions that belong together?',
  }),
  publish_refused: (d) => ({ text: `Nothing was published${because(d)}.`, next: t(d.advice) || undefined }),
  internal: (d) => ({
    text: `Something went wrong inside Fettle${because(d)}.`,
    next: d.log ? `Its log has the details: ${t(d.log)}` : "The hub's log has the details.",
  }),
};

function expectedOf(d: ErrorData): string {
  const key = settingKeyOf(t(d.key));
  return key ? SETTING_TEXTS[key].expected.en : t(d.expected) || 'another value';
}

function afterMs(d: ErrorData): number | undefined {
  const seconds = number(d.seconds);
  return number(d.afterMs) ?? (seconds === undefined ? undefined : seconds * 1_000);
}

function exit(d: ErrorData): string {
  const signal = t(d.signal);
  const code = t(d.exit ?? d.code);
  return signal ? ` (killed by ${signal})` : code ? ` (exit status ${code})` : '';
}

function stateName(state: string): string {
  return isUpdateState(state) ? STATES[state] : state || 'under way';
}
