import type { Range } from './view.ts';

/**
 * What secrets look like where nobody knows their values: tokens by their form, and what stands behind a name or in an
 * address. Every pattern is linear: what may repeat without end is one class, or always matches.
 */

interface Shape {
  readonly pattern: RegExp;
  /**
   * One of these is in every text that matches, in small letters; `long`: a run of 20 characters. Most texts have none of
   * them, and a pattern that is never tried is never compiled: it would be in the memory of each process.
   */
  readonly hints: readonly string[];
  /** Is it one, though the pattern matches? Given the match. */
  readonly unless?: (match: RegExpExecArray) => boolean;
  /** Nothing that counts begins inside of what is none. */
  readonly whole?: true;
}

const LONG = ['long'];

/** Hidden as a whole. */
const TOKENS: readonly Shape[] = [
  // JSON Web Token, whole or cut
  { hints: ['eyj'], pattern: /\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?/g },
  // GitHub, GitLab, npm, PyPI, Docker, Slack, Stripe, OpenAI-like, Google, Hugging Face, SendGrid, Shopify, DigitalOcean, Vault
  { hints: ['gho_', 'ghp_', 'ghr_', 'ghs_', 'ghu_'], pattern: /\bgh[oprsu]_[A-Za-z0-9]{20,}/g },
  { hints: ['github_pat_'], pattern: /\bgithub_pat_\w{20,}/g },
  {
    hints: ['glpat-', 'glptt-', 'gldt-', 'glrt-', 'glsoat-', 'glcbt-', 'glft-', 'glimt-', 'glagent-'],
    pattern: /\bgl(?:pat|ptt|dt|rt|soat|cbt|ft|imt|agent)-[\w-]{16,}/g,
  },
  { hints: ['npm_'], pattern: /\bnpm_[A-Za-z0-9]{30,}/g },
  { hints: ['pypi-'], pattern: /\bpypi-[\w-]{30,}/g },
  { hints: ['dckr_'], pattern: /\bdckr_[po]at_[\w-]{20,}/g },
  { hints: ['xox', 'xapp-'], pattern: /\bxox[abceoprs]-[\w-]{10,}|\bxapp-[\w-]{20,}/g },
  { hints: ['k_live_', 'k_test_', 'whsec_'], pattern: /\b[rsp]k_(?:live|test)_\w{16,}|\bwhsec_\w{20,}/g },
  { hints: ['sk-'], pattern: /\bsk-[\w-]{20,}/g, unless: ([token]) => !/\d/.test(token) },
  { hints: ['aiza', 'ya29.'], pattern: /\bAIza[\w-]{30,}|\bya29\.[\w-]{20,}/g },
  { hints: ['hf_'], pattern: /\bhf_[A-Za-z0-9]{30,}/g },
  { hints: ['sg.'], pattern: /\bSG\.[\w-]{16,}\.[\w-]{16,}/g },
  { hints: ['shpat_', 'shpca_', 'shppa_', 'shpss_'], pattern: /\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{20,}/g },
  { hints: ['_v1_'], pattern: /\bdo[opr]_v1_[a-f0-9]{30,}/g },
  { hints: ['hvs.', 'hvb.', 'hvr.'], pattern: /\bhv[sbr]\.[\w-]{20,}/g },
  // AWS access key ids
  { hints: ['akia', 'asia', 'abia', 'acca'], pattern: /\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b/g },
  // Telegram: bot id, colon, 35 characters (also inside /bot…/ addresses); a number before a UUID is none
  {
    hints: LONG,
    pattern: /(?<![\w-])(?:bot)?\d{6,12}:[\w-]{34,36}(?![\w-])/g,
    unless: ([token]) => /:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(token),
  },
  // Discord: user id in base64, time, signature; and multi-factor tokens
  { hints: LONG, pattern: /(?<![\w-])[\w-]{23,28}\.[\w-]{6,7}\.[\w-]{27,64}(?![\w-])/g },
  { hints: ['mfa.'], pattern: /\bmfa\.[\w-]{20,}/g },
  // Feishu: tenant, user and app access tokens
  {
    hints: ['t-', 'u-', 'a-'],
    pattern: /(?<![\w-])[tua]-[A-Za-z0-9._-]{20,}/g,
    unless: ([token]) => (token.match(/[A-Z0-9]/g) ?? []).length < 6,
  },
  // Secret keys on one line: age, minisign (a public one is 56 characters, a signature 100)
  { hints: ['age-secret-key-1'], pattern: /\bAGE-SECRET-KEY-1[A-Z0-9]{20,}/gi },
  { hints: ['rw'], pattern: /(?<![A-Za-z0-9+/])RW[A-Za-z0-9+/]{140,}={0,2}/g },
];

const SECRET_NAME =
  'passwor[dt]|passwd|passphrase|passcode|secret|token|(?<![a-z0-9])(?:pwd|psk)|(?<=[a-z0-9]_?)pass(?=["\']?\\s?[:=])|' +
  'api[_-]?key|(?:access|private|encrypt|encryption|signing|shared|account|subscription|auth|master)[_-]?key|' +
  'credentials?|_auth|密码|口令|密钥|令牌|秘钥';
const SECRET_WORDS = [
  'pass',
  'pwd',
  'secret',
  'token',
  'psk',
  'key',
  'credential',
  '_auth',
  '密',
  '口令',
  '令牌',
  '秘',
];

/** `name=value` and `"name": "value"` where the name says that the value is a secret. Keeps the name. */
const NAMED = new RegExp(
  `((?:${SECRET_NAME})[\\w-]{0,40}["']?[ \\t]{0,3}[:=：][ \\t]{0,3}(?:\\r?\\n[ \\t]{0,20}(?=["']))?(?:[bur]?(?=["']))?)` +
    `("(?:[^"\\\\\\n]|\\\\.)+"?|'(?:[^'\\\\\\n]|\\\\.)+'?|(?:[^\\s"'&,;)}\\]]|[,;)}\\]](?!\\s|$|["'\\]},;)]|[\\w .-]{1,40}[=:]))+)`,
  'gi',
);
/** Variables of an environment whose name ends so. */
const KEY_VARIABLE = /(\b(?![A-Z0-9_]{0,60}PUB)[A-Z0-9][A-Z0-9_]{0,60}_KEY["']?\s?[=:]\s?["']?)([^\s"'&]{8,})/g;
/** `--password VALUE` and the like. */
const FLAG =
  /((?<![\w-])--?(?:[\w]{1,20}-)?(?:password|passwd|passphrase|token|secret|api-key|access-key|auth-token|private-key|secret-key)[ \t]{1,4})("[^"\n]+"?|'[^'\n]+'?|[^\s"'-][^\s"']*)/gi;
const SSHPASS = /(\bsshpass\s{1,4}-p\s{0,4})(\S+)/g;
/** Of curl and its like; numbers are ids of a user and a group. */
const USER_FLAG =
  /((?<![\w-])(?:-u|--user|-U|--proxy-user)[ \t=]{0,4}["']?[^\s:"'=]{1,100}:)((?!\d{1,10}(?![^\s"']))[^\s"']+)/g;
const HEADER =
  /\b((?:proxy-)?authorization["']?\s{0,3}[:=,]\s{0,8}["']?)((?:(?:bearer|basic|token|digest|negotiate|apikey|aws4-hmac-sha256)\s{1,8})?[^\s"',]{4,}(?:,[ \t]?[\w-]{1,30}=[^\s,]+)*)/gi;
const BEARER = /\b(bearer\s{1,8})([\w.~+/-]{8,}=*)/gi;
const BASIC = /\b(basic\s{1,8})([A-Za-z0-9+/_-]{8,}={0,2})/gi;
const COOKIE = /\b((?:set-)?cookie2?["']?\s{0,3}[:=,]\s{0,3})("[^"\n]+"?|'[^'\n]+'?|[^\s"'][^\n"']*)/gi;
const COOKIES = /\b((?:set-)?cookie2?["']?\s{0,3}:\s{0,3}\[\s{0,20}["'])([^\]]{1,4000}?)(?=["']\s{0,20}\])/gi;
/** `scheme://user:password@` and `scheme://token@`. */
const USERINFO = /\b([a-z][a-z0-9+.-]{0,20}:\/\/)([^\s/?#@"'<>]{1,2000})(?=@)/gi;
/** With a password in which somebody forgot to escape a `/`, `?` or `@`. A port and a path are none. */
const WILD_USERINFO = /\b([a-z][a-z0-9+.-]{0,20}:\/\/)([^\s/:@"'<>]{0,100}:[^\s"'<>]{1,200})(?=@)/gi;
/** Addresses whose path is a password: Discord, Slack, Feishu and Teams webhooks. */
const WEBHOOK =
  /(\/(?:api\/webhooks\/\d{1,30}|services\/T\w{1,30}\/B\w{1,30}|open-apis\/bot\/v2\/hook|IncomingWebhook)\/)([\w/-]{8,})/g;
const QUERY = /(\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s?#"'<>]{1,2000}\?)([^\s#"'<>]+)/gi;
const SIGNED_NAME =
  '(?:x-(?:amz|goog|oss|cos)-[\\w-]+|[\\w.-]{0,60}(?:sig|signature|sign|token|secret|key|keyid|password|passwd|auth|credential|code|ticket|session)|expires|se|sp|sv|q-[\\w-]+)';
/** A `user_code` (RFC 8628) is made to be read by a person, who has to type or scan it. */
const SIGNED = new RegExp(`(?:^|[&;?])(?!user_code=)${SIGNED_NAME}=`, 'i');
/** Of an address without its beginning: only the names that nothing else has. */
const SIGNED_PART = /([?&](?:x-(?:amz|goog|oss|cos)-[\w-]{1,40}|sig|signature|sign)=)([^\s&#"'<>]+)/gi;
/** Parts of a JSON Web Key that are private. */
const JWK = /("(?:d|p|q|dp|dq|qi|k)"\s{0,3}:\s{0,3}")([\w-]{22,})/g;
/** The line that enrols a device: who has it has a place among the devices. */
const ENROLMENT =
  /(\bsh\s{1,4}-s\s{1,4}--\s{1,4}(?:-\S{1,30}\s{1,4})*|\bfettle\s{1,4}enroll\s{1,4}(?=[^\s-]*\d))([\w.~+/=-]{8,})/g;

/** What stands there instead of a value. */
const NO_VALUE = /^["']?(?:null|undefined|true|false|none|nil|\*+|<[^>]{0,40}>|)["']?,?$/i;

/** The second group is hidden. */
const PLACES: readonly Shape[] = [
  { hints: ['://'], pattern: USERINFO },
  { hints: ['://'], pattern: WILD_USERINFO, unless: ([, , user = '']) => /^[^:]*:\d{0,5}(?:[/?#]|$)/.test(user) },
  { hints: ['://'], pattern: QUERY, unless: ([, , query = '']) => !SIGNED.test(query), whole: true },
  { hints: ['?', '&'], pattern: SIGNED_PART },
  { hints: ['/api/webhooks/', '/services/t', '/open-apis/bot', '/incomingwebhook/'], pattern: WEBHOOK },
  { hints: ['authorization'], pattern: HEADER },
  { hints: ['bearer'], pattern: BEARER },
  { hints: ['basic'], pattern: BASIC, unless: ([, , value = '']) => !isPair(value) },
  {
    hints: ['cookie'],
    pattern: COOKIE,
    unless: ([, name = '', value = '']) => NO_VALUE.test(value) || isNoText(name, value),
  },
  { hints: ['cookie'], pattern: COOKIES },
  {
    hints: SECRET_WORDS,
    pattern: NAMED,
    unless: ([, name = '', value = '']) =>
      NO_VALUE.test(value) || value.length < 2 || isNoText(name, value) || isPlace(name, value),
  },
  { hints: ['_key'], pattern: KEY_VARIABLE },
  { hints: ['-p', 'pass', 'token', 'secret', 'key'], pattern: FLAG },
  { hints: ['sshpass'], pattern: SSHPASS },
  { hints: ['-u', '--proxy-user'], pattern: USER_FLAG },
  { hints: ['"d"', '"p"', '"q"', '"dp"', '"dq"', '"qi"', '"k"'], pattern: JWK },
];

/** A number, list or object of JSON: hidden, it would be JSON no more. */
const isNoText = (name: string, value: string) => /"\s{0,4}:\s*$/.test(name) && /^(?:-?\d|[[{])/.test(value);

/** `PWD=/srv/bot`, `tokenFile: bot.token`: where something is, and what is said of it. Small letters of the first are of connection strings. */
const isPlace = (name: string, value: string) =>
  (/^(?:PWD|_AUTH_SOCK)["']?\s?=/.test(name) && value.startsWith('/')) ||
  (/(?:File|_FILE|-file|_PATH)["']?\s{0,3}[:=]/.test(name) && /^["']?(?:[\w@%+~-]*[./]|[a-z-]+["']?$)/.test(value));

/** Does base64 hold `user:password`? */
function isPair(value: string): boolean {
  if (/=$/.test(value)) return true;
  return /^[\x20-\x7e]*:[\x20-\x7e]*$/.test(Buffer.from(value, 'base64').toString('latin1'));
}

/** Where something stands that looks like a secret. */
export function findShapes(text: string, found: (range: Range) => void): void {
  const small = text.toLowerCase();
  const long = /[\w-]{20}/.test(text);
  const may = ({ hints }: Shape) => (hints === LONG ? long : hints.some((hint) => small.includes(hint)));
  for (const shape of TOKENS) {
    if (!may(shape)) continue;
    const { pattern, unless } = shape;
    pattern.lastIndex = 0;
    for (let match = pattern.exec(text); match !== null; match = pattern.exec(text))
      if (!unless?.(match)) found([match.index, match.index + match[0].length]);
  }
  for (const shape of PLACES) if (may(shape)) findPlaces(shape, text, found);
}

/** Where somebody is enrolled: a code that Fettle itself hands out, and shows to who asked for it. */
export function findEnrolment(text: string, found: (range: Range) => void): void {
  if (/sh +-s +--|fettle +enroll/.test(text)) findPlaces({ pattern: ENROLMENT, hints: [] }, text, found);
}

function findPlaces({ pattern, unless, whole }: Shape, text: string, found: (range: Range) => void): void {
  pattern.lastIndex = 0;
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    if (unless?.(match)) {
      // What it took may hold one that counts.
      if (!whole) pattern.lastIndex = match.index + Math.max(1, match[1]?.length ?? 0);
      continue;
    }
    const value = match[2] ?? '';
    const quoted = /^(["'])([\s\S]*?)\1?$/.exec(value);
    const from = match.index + (match[1]?.length ?? 0) + (quoted ? 1 : 0);
    const to = from + (quoted ? (quoted[2]?.length ?? 0) : value.length);
    if (to > from) found([from, to]);
  }
}
