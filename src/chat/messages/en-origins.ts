import type { ErrorData } from '../../domain/errors.ts';
import type { OriginCode, ProblemWriter } from './contract.ts';
import { because, when } from './en-words.ts';
import { text as t } from './format.ts';

/** English: sources, releases and artifacts. */

/** ` of APP`, or nothing. */
const ofApp = (data: ErrorData) => (data.app ? ` of ${t(data.app)}` : '');

export const originProblems: Record<OriginCode, ProblemWriter> = {
  source_unreachable: (d, now) => ({
    text: `The source ${t(d.source)} does not answer${because(d)}.`,
    next: d.nextAt ? `It is tried again ${when(d.nextAt, now)}.` : 'Try again in a while.',
  }),
  source_invalid: (d) => ({
    text: `The source ${t(d.source)} answered, but not with releases${because(d)}.`,
    next: 'Look at its address in the configuration (`source`); nothing was changed.',
  }),
  source_expired: (d) => ({
    text: `What the source ${t(d.source)} says has expired${d.expiredAt ? ` (${when(d.expiredAt, undefined)})` : ''}.`,
    next: 'Whoever publishes renews it: fettle publish, with any version that is there. /update now still works; nothing comes by itself.',
  }),
  source_rolled_back: (d) => ({
    text: `The source ${t(d.source)} offers an older state than it did before${because(d)}; this may be an attack.`,
    next: 'Nothing is installed from it until it is at least as new again.',
  }),
  artifact_unverified: (d) => ({
    text: `What was fetched${ofApp(d)} could not be proven authentic${because(d)}.`,
    next: 'Nothing was installed. Where the reason is expected: publish the release again, signed; or mend `keys` (git: `refs`, `signedBy`) in the file on the device.',
  }),
  artifact_mismatch: (d) => ({
    text: `What was fetched${ofApp(d)} is not what the source promised (its digest differs)${because(d)}.`,
    next: 'Nothing was installed. Try again; if it stays, do not trust the mirror or the release.',
  }),
  artifact_wrong_platform: (d) => ({
    text: d.reason
      ? `What was fetched${ofApp(d)} can't run here${because(d)}.`
      : `The release has nothing for this device's platform${d.here ? ` (${t(d.here)}; it has ${t(d.for) || 'none'})` : ''}.`,
    next: 'Publish an artifact for it.',
  }),
  artifact_invalid: (d) => ({
    text: `What was fetched${ofApp(d)} is not usable${because(d)}.`,
    next: 'The release needs to be made again.',
  }),
  download_failed: (d) => ({
    text: `The download${ofApp(d)} failed${d.status ? `: HTTP ${t(d.status)}` : ''}${because(d)}.`,
    next: 'Try again; what was fetched already is kept.',
  }),
  install_failed: (d) => ({
    text: `Installing${d.version ? ` ${t(d.version)}` : ''}${ofApp(d)} failed${because(d)}.`,
    next: '/update logs shows what the installer said.',
  }),
  key_unusable: (d) => ({
    text: `The key${d.file ? ` ${t(d.file)}` : ''} can't be used${because(d)}.`,
    next: t(d.advice) || '`fettle keygen` and `minisign -G` make keys; see docs/signing.md.',
  }),
};
