/** Accounts and people as commands write them. Pure. */

/** One account: the platform, and the platform's id of the person. */
export interface Account {
  readonly platform: string;
  readonly person: string;
}

/** `telegram:123`. */
export function accountId({ platform, person }: Account): string {
  return `${platform}:${person}`;
}

/** The reverse of {@link accountId}. */
export function accountOf(id: string): Account {
  const at = id.indexOf(':');
  return at === -1 ? { platform: '', person: id } : { platform: id.slice(0, at), person: id.slice(at + 1) };
}

/**
 * Does a platform not say who it is? Whoever is an admin of a Telegram group may write in its name: several people, and
 * each of them somebody else as well. So it asks for nothing, and approves nothing.
 */
export function isShared({ platform, person }: Account): boolean {
  return platform === 'telegram' && person.startsWith('chat');
}

/** Whom a command names. */
export type PersonRef =
  | ({ readonly by: 'account' } & Account)
  | { readonly by: 'id'; readonly id: string }
  | { readonly by: 'name'; readonly name: string };

const PERSON_ID = /^p-[a-z0-9]{2,20}$/;
const ACCOUNT = /^(?<platform>[a-z][a-z0-9_-]{0,30}):(?<person>[\w.@-]{1,128})$/;
/** How Discord writes a mention. https://docs.discord.com/developers/reference#message-formatting */
const DISCORD_MENTION = /^<@!?(?<person>\d{1,25})>$/;
const DIGITS = /^\d{1,25}$/;
/** A user; or a chat in whose name its anonymous admins write. https://core.telegram.org/bots/api#message (sender_chat) */
const TELEGRAM = /^(?:\d{1,25}|chat-?\d{1,25})$/;
/** An open_id. https://open.feishu.cn/document/home/user-identity-introduction/open-id */
const OPEN_ID = /^ou_[0-9A-Za-z_-]{1,64}$/;

/** Ids of the platforms that have a form of their own. */
const FORMS: Readonly<Record<string, RegExp>> = { discord: DIGITS, telegram: TELEGRAM, feishu: OPEN_ID };

/**
 * Reads a person as typed: `telegram:123`, a mention, a person's id (`p-7k2m`), `@name`, or a name. `undefined` where it
 * can be none.
 */
export function readPerson(text: string): PersonRef | undefined {
  const typed = text.trim();
  if (PERSON_ID.test(typed)) return { by: 'id', id: typed };
  const mention = DISCORD_MENTION.exec(typed)?.groups?.person;
  if (mention !== undefined) return { by: 'account', platform: 'discord', person: mention };
  const { platform: written, person } = ACCOUNT.exec(typed)?.groups ?? {};
  if (written !== undefined && person !== undefined) {
    const platform = written === 'lark' ? 'feishu' : written;
    return (FORMS[platform] ?? /./).test(person) ? { by: 'account', platform, person } : undefined;
  }
  if (new RegExp(`^(?:lark|terminal|${Object.keys(FORMS).join('|')}):`).test(typed)) return undefined;
  const name = foldName(typed);
  return name === '' ? undefined : { by: 'name', name };
}

/** A name without its `@`, so that two spellings of it are one. */
export function foldName(name: string): string {
  return name.trim().replace(/^@+/, '').normalize('NFKC').toLowerCase().trim();
}
