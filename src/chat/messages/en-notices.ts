import { v } from './en-words.ts';
import type { NoticeTexts } from './notices.ts';

/** English. */
export const notices: NoticeTexts = {
  available: (app, version) => `${app} ${version} is available`,
  fieldVersion: 'version',
  fieldSize: 'size',
  fieldPublished: 'published',
  fieldBetween: 'versions between',
  more: (count) => `and ${count} more`,
  update: 'Update',
  later: 'Later',
  skip: 'Skip this version',
  begins: (app, version, grace) =>
    grace === undefined ? `${app} is being updated to ${version} now.` : `${app} updates to ${version} in ${grace}.`,
  withdrawnTitle: (app, version) => `${app} was not updated${version ? ` to ${version}` : ''} by itself`,
  withdrawn: {
    'taken-over': 'Somebody began something else with it meanwhile.',
    off: 'Automatic updates were turned off for it meanwhile.',
    pinned: 'It was pinned meanwhile.',
    skipped: 'This version was skipped meanwhile.',
    blocked: 'This version failed here before.',
    left: 'This version is left to you.',
    quiet: 'The quiet hours have begun. It is looked at again at their end.',
    gone: 'Its source does not offer this version any more.',
    superseded: 'There is a newer version.',
    changed: 'It runs another version by now.',
    expired: "Its source's index has expired.",
    rejected: 'Somebody rejected it. Only something newer comes by itself now.',
    unapproved: 'Nobody approved it within 24 h. Only something newer comes by itself now.',
  },
  declined: (version) => `Cancelled. Version${v(version)} is left to you; a newer one comes by itself again.`,
  digestTitle: (count) => (count === 1 ? '1 app has a new version' : `${count} apps have new versions`),
  columns: ['app', 'runs', 'newest'],
  updateApp: (app, version) => `Update ${app} to ${version}`,
  expiresTitle: (app, past) => `The release index of ${app} ${past ? 'has expired' : 'expires soon'}`,
  expires: (source, when, past) =>
    past
      ? `${source} was vouched for until ${when}. There are no automatic updates from it now.`
      : `${source} is vouched for until ${when}. Automatic updates from it stop then.`,
  expiresNext: 'Whoever publishes it has to publish it anew.',
  crashesTitle: (app, version) => `${app}${v(version)} keeps crashing`,
  crashes: (app, times, when, device) =>
    `It has ended by itself ${times} times since ${when} on ${device}. It is started again each time; ${app} may be down in between.`,
  awayTitle: (platform) => `${platform} is not connected`,
  away: (when) => `Since ${when}, nothing that is written there is heard. What is to be told there waits.`,
  dumbTitle: (platform) => `${platform} lets nothing be answered`,
  dumb: (when) => `Since ${when}, what is written there is heard and done, and the answers wait.`,
  awayTimes: (times) => `This is the ${times}${times === 2 ? 'nd' : times === 3 ? 'rd' : 'th'} time within an hour.`,
  backTitle: (platform) => `${platform} is connected again`,
  back: (away) => `It was away for ${away}. What waited is told there now.`,
  lost: (who, platform, reason) =>
    `${who} asked for this in a chat of ${platform} that can't be written to any more (${reason}), and was not told.`,
  lostNext: 'Pass it on. Once the bot is in that chat again, what is asked there is answered as before.',
  status: 'Status',
  rollBackTo: (version) => `Roll back to ${version}`,
  logs: 'Logs',
  onDevice: (who, device) => `${who} did this on ${device} itself.`,
  triesAgain: (wait) => `It is tried again in ${wait}.`,
  leftToYou: (tries) => `It was tried ${tries} times. This version is left to you now.`,
};
