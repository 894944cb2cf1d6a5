import { statSync } from 'node:fs';
import type { PlatformName } from '../../../adapters/index.ts';
import { findUser } from '../../../agent/restart/user.ts';
import { readChatSecret, type SecretPlace, secretPlace } from '../../../config/chat-secrets.ts';
import type { HomeLayout } from '../../../config/home.ts';
import { MESSAGES } from '../../chat/messages/index.ts';
import { chatPlatforms } from '../chat-platforms.ts';
import { LOST_NEXT, lostLines } from '../chat-status.ts';
import { platformDeps } from '../chats/contract.ts';
import { PLATFORM_WORDS } from '../chats/platforms.ts';
import { sinceText } from '../chats/since.ts';
import { askPlatform } from '../discreet.ts';
import { type Check, type Facts, type Finding, note, ok, wrong } from './contract.ts';

const ASK_MS = 15_000;
/** A connection that is being made for longer than this does not come about by itself. */
const CONNECTING_MS = 60_000;

/** The chats beside the terminal: secrets, credentials as the platform sees them, the running hub's connections. */
export const chats: Check = {
  title: 'Chats',
  limitMs: 25_000,
  async *look(facts, signal) {
    const { config, configFile, environment } = facts;
    if (!config) return;
    const platforms = chatPlatforms(config.chats, configFile, environment.all);
    const names = Object.keys(platforms) as PlatformName[];
    if (names.length === 0) {
      yield ok('The terminal is the only chat (`fettle chats add` sets up another)');
      return;
    }
    // All are asked at once.
    const asked = names.map((name) => live(facts, name, signal));
    for (const promise of asked) promise.catch(() => undefined);
    for (const [index, name] of names.entries()) {
      yield* secretOf(facts, name, secretPlace(name, config.chats, configFile));
      yield* (await asked[index]) ?? [];
      yield* connectionOf(facts, name);
    }
  },
};

function* secretOf({ layout, environment }: Facts, name: PlatformName, place: SecretPlace): Generator<Finding> {
  const title = PLATFORM_WORDS[name].name;
  const secret = readChatSecret(place, environment.all);
  if (!secret.found) {
    const reason = secret.reason === undefined ? `${place.file} is not there` : `${place.file}: ${secret.reason}`;
    yield wrong(
      `${title} has no ${place.what}: ${reason}, and ${place.variable} is not set`,
      `fettle chats add ${name}`,
    );
    return;
  }
  if (secret.from === 'variable') {
    yield note(
      `${title}: its ${place.what} comes from ${place.variable} here; the hub takes that of its own environment`,
    );
    return;
  }
  const { mode, uid, gid } = statSync(place.file);
  const owner = ownerOf(layout);
  const hubs = layout.hub.user === undefined ? undefined : findUser(layout.hub.user)?.gid;
  if ((mode & (gid === hubs ? 0o037 : 0o077)) !== 0)
    yield wrong(
      `Others can read ${place.file} (mode ${(mode & 0o777).toString(8)}); it has the ${place.what} of ${title}`,
      `chmod ${gid === hubs ? 640 : 600} ${place.file}; who may have read it can use it, so make a new one if others have accounts here.`,
    );
  else if (uid !== owner && owner !== 0)
    yield wrong(
      `${place.file} belongs to user ${uid}, but the hub runs as user ${owner} and can't read it`,
      `chown ${owner} ${place.file}`,
    );
  else
    yield ok(
      `${title}: its ${place.what} is in ${place.file}, readable by its owner ${gid === hubs ? 'and the hub' : ''} alone`.replace(
        '  ',
        ' ',
      ),
    );
}

/** Whoever the home belongs to runs the hub. */
function ownerOf({ home }: HomeLayout): number | undefined {
  return statSync(home, { throwIfNoEntry: false })?.uid ?? process.geteuid?.();
}

/** What the platform says of the credentials. */
async function live(facts: Facts, name: PlatformName, signal: AbortSignal): Promise<Finding[]> {
  const { config, configFile, environment, offline } = facts;
  const settings = config && chatPlatforms(config.chats, configFile, environment.all)[name];
  if (!settings?.secret.found) return [];
  const title = PLATFORM_WORDS[name].name;
  if (offline) return [note(`${title} was not asked whether the credentials are good (--offline)`)];
  const { bot, problems } = await askPlatform(name, settings, platformDeps(environment), { signal, limitMs: ASK_MS });
  return [
    ...(bot === undefined ? [] : [ok(`${title} knows the bot: ${bot}`)]),
    ...problems.map(({ code, data }) => {
      const { text, next } = words(environment.language).problem(code, data);
      return wrong(text, next);
    }),
  ];
}

function* connectionOf({ hub, clock, environment }: Facts, name: PlatformName): Generator<Finding> {
  if (!hub) return;
  const title = PLATFORM_WORDS[name].name;
  if (!hub.chats) {
    yield note(`The hub (version ${hub.version}) is too old to say how it is connected to ${title}`);
    return;
  }
  const chat = hub.chats.find(({ platform }) => platform === name);
  if (!chat) {
    yield wrong(`The hub that runs has not read yet that ${title} is set up`, "fettle say '/update restart hub'");
    return;
  }
  const { relative } = words(environment.language);
  for (const line of lostLines(chat, (at) => relative(at, clock.now()))) yield note(`${title}: ${line}. ${LOST_NEXT}`);
  const since = sinceText(chat.since);
  if (chat.state === 'connected' && chat.problem) {
    const { text, next } = words(environment.language).problem(chat.problem.code, chat.problem.data);
    yield wrong(`The hub is connected to ${title}, and can't answer there: ${text}`, next);
  } else if (chat.state === 'connected') yield ok(`The hub is connected to ${title} since ${since}`);
  else if (chat.problem) {
    const { text, next } = words(environment.language).problem(chat.problem.code, chat.problem.data);
    yield wrong(`The hub is not connected to ${title}: ${text}`, next);
  } else if (chat.state === 'connecting' && clock.now() - chat.since < CONNECTING_MS)
    yield note(`The hub is connecting to ${title}`);
  else yield wrong(`The hub is not connected to ${title} (${chat.state} since ${since})`, `fettle chats test ${name}`);
}

const words = (language: 'en' | 'zh' | undefined) => MESSAGES[language ?? 'en'];
