import { generateKeyPairSync } from 'node:crypto';

/**
 * Lines of logs with secrets in them, generated from a seed: known values and tokens of unknown ones, in every spelling,
 * in one piece and taken apart. Each line says what was planted, so that a test can look for it.
 */

export interface Planted {
  readonly kind: string;
  readonly line: string;
  /** Characters of which no {@link FRAGMENT} in a row may be seen, without what was put between them. */
  readonly secret: string;
}

/** So much of a secret in a row is a leak; the whole where it is shorter. */
export const FRAGMENT = 12;

export type Random = () => number;

/** The same numbers for the same seed: 0 ≤ x < 1. */
export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export const pick = <T>(random: Random, all: readonly T[]): T => all[Math.floor(random() * all.length)] as T;

const ALNUM = 'ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz0123456789';
export const word = (random: Random, length: number, from = ALNUM): string =>
  Array.from({ length }, () => from[Math.floor(random() * from.length)]).join('');
const digits = (random: Random, length: number) =>
  `${1 + Math.floor(random() * 9)}${word(random, length - 1, '0123456789')}`;

/** Values as people and programs have them. The same for the same seed. */
export function knownSecrets(seed = 1): Readonly<Record<string, string>> {
  const random = randomOf(seed);
  return {
    plain: word(random, 20),
    short: word(random, 7),
    signs: `p@ss/w"rd w&r<d>'x$ ${word(random, 6)}%+=`,
    words: `${word(random, 5)} ${word(random, 6)} ${word(random, 5)}`,
    letters: `пароль-密码-ß-${word(random, 4)}`,
    long: word(random, 120),
    hexadecimal: word(random, 40, '0123456789abcdef'),
  };
}

const PEM = generateKeyPairSync('rsa', { modulusLength: 2_048 })
  .privateKey.export({ type: 'pkcs8', format: 'pem' })
  .toString();

/** How a program may spell a value. */
const SPELLINGS: Readonly<Record<string, (value: string, random: Random) => string>> = {
  raw: (v) => v,
  percent: (v) => encodeURIComponent(v),
  'percent, small': (v) => encodeURIComponent(v).replace(/%../g, (e) => e.toLowerCase()),
  'percent, all': (v) => [...Buffer.from(v)].map((b) => `%${b.toString(16).padStart(2, '0')}`).join(''),
  'percent, twice': (v) => encodeURIComponent(encodeURIComponent(v)),
  form: (v) => new URLSearchParams({ v }).toString().slice(2),
  json: (v) => JSON.stringify(v).slice(1, -1),
  'json in json': (v) => JSON.stringify(JSON.stringify(v)).slice(1, -1),
  'json, ascii': (v) =>
    [...v]
      .map((c) => (c > '~' ? `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}` : JSON.stringify(c).slice(1, -1)))
      .join(''),
  base64: (v) => Buffer.from(v).toString('base64'),
  'base64 inside': (v, random) =>
    Buffer.from(`${word(random, Math.floor(random() * 5))}:${v}${word(random, 4)}`).toString('base64'),
  base64url: (v) => Buffer.from(v).toString('base64url'),
  'base64, percent': (v) => encodeURIComponent(Buffer.from(v).toString('base64')),
  hex: (v) => Buffer.from(v).toString('hex'),
  'hex, large': (v) => Buffer.from(v).toString('hex').toUpperCase(),
  buffer: (v) => `<Buffer ${Buffer.from(v).toString('hex').match(/../g)?.join(' ')}>`,
  html: (v) => v.replace(/[&<>"']/g, (c) => `&${{ '&': 'amp', '<': 'lt', '>': 'gt', '"': 'quot', "'": '#39' }[c]};`),
  shell: (v) => `'${v.replaceAll("'", "'\\''")}'`,
  '%q': (v) => v.replace(/[^\w@/:.+=%\u0080-\uffff-]/g, '\\$&'),
};

/** Tokens that nobody knows, where they are told by what they look like or by what stands beside them. */
const SHAPES: Readonly<Record<string, (random: Random) => readonly [text: string, secret: string]>> = {
  github: (r) => twice(`ghp_${word(r, 36)}`),
  jwt: (r) => twice(`eyJ${word(r, 20)}.${word(r, 40)}.${word(r, 43)}`),
  npm: (r) => twice(`npm_${word(r, 36)}`),
  slack: (r) => twice(`xoxb-${digits(r, 12)}-${word(r, 24)}`),
  openai: (r) => twice(`sk-proj-${word(r, 30)}1`),
  telegram: (r) => twice(`${digits(r, 9)}:AA${word(r, 33)}`),
  discord: (r) => twice(`${Buffer.from(digits(r, 18)).toString('base64')}.${word(r, 6)}.${word(r, 38)}`),
  aws: (r) => twice(`AKIA${word(r, 16, 'ABCDEFGHJKLMNPQRSTUVWXYZ234567')}`),
  age: (r) => twice(`AGE-SECRET-KEY-1${word(r, 58, 'QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L')}`),
  minisign: (r) => of(word(r, 204), (s) => `untrusted comment: minisign encrypted secret key\nRWRTY0Iy${s}`),
  bearer: (r) => of(word(r, 30), (s) => `Authorization: Bearer ${s}`),
  'header in json': (r) => of(word(r, 30), (s) => JSON.stringify({ headers: { authorization: `Bearer ${s}` } })),
  'header in two lines': (r) => of(word(r, 30), (s) => `Authorization:\n Bearer ${s}`),
  basic: (r) => of(Buffer.from(`user:${word(r, 17)}`).toString('base64'), (s) => `authorization: Basic ${s}`),
  cookie: (r) => of(word(r, 24), (s) => `Cookie: theme=dark; session=${s}; lang=en`),
  'curl -u': (r) => of(word(r, 16), (s) => `+ curl -fsS -u deploy:${s} https://example.com/x`),
  'curl -H': (r) => of(word(r, 26), (s) => `curl -H "PRIVATE-TOKEN: ${s}" https://git.example.com`),
  postgres: (r) => of(word(r, 16), (s) => `postgres://app:${s}@db:5432/app?sslmode=off`),
  redis: (r) => of(word(r, 16), (s) => `redis://:${s}@cache:6379/0`),
  mongodb: (r) => of(word(r, 16), (s) => `mongodb+srv://me:${s}@cluster0.example.net/x`),
  amqp: (r) => of(word(r, 16), (s) => `connecting to amqps://bus:${s}@mq/vhost`),
  dsn: (r) => of(word(r, 16), (s) => `Server=db;Database=x;User Id=sa;Password=${s};Encrypt=True`),
  'signed address': (r) =>
    of(
      word(r, 64, '0123456789abcdef'),
      (s) => `GET https://b.s3.amazonaws.com/k?X-Amz-Date=2026&X-Amz-Signature=${s} 200`,
    ),
  sas: (r) => of(word(r, 43), (s) => `https://a.blob.core.windows.net/c/f?sv=2022&se=2026&sig=${s}%3D`),
  webhook: (r) => of(word(r, 40), (s) => `POST https://discord.com/api/webhooks/${digits(r, 18)}/${s}`),
  variable: (r) => of(word(r, 18), (s) => `DB_PASSWORD=${s}`),
  json: (r) => of(word(r, 18), (s) => `{"user":"me","api_key":"${s}","n":1}`),
  'json in json': (r) => of(word(r, 18), (s) => JSON.stringify(JSON.stringify({ clientSecret: s, n: 1 }))),
  flag: (r) => of(word(r, 18), (s) => `run --port 80 --password ${s} --verbose`),
  chinese: (r) => of(word(r, 18), (s) => `数据库密码：${s} 已设置`),
  pem: () => of(PEM.split('\n').slice(1, -2).join(''), () => `loading ${PEM} done`),
  'pem in json': () => of(PEM.split('\n').slice(1, -2).join(''), () => JSON.stringify({ key: PEM })),
  'enrolment line': (r) => of(word(r, 32), (s) => `curl -fsSk https://hub:8443/enroll | sudo sh -s -- ${s}`),
};

const twice = (token: string): readonly [string, string] => [token, token];
const of = (secret: string, text: (secret: string) => string): readonly [string, string] => [text(secret), secret];

/** What stands between the characters of a text without being seen. */
const SPLITS: Readonly<Record<string, (text: string, random: Random) => string>> = {
  whole: (t) => t,
  coloured: (t, r) => inserted(t, r, () => pick(r, ['\x1b[31m', '\x1b[0m', '\x1b[1;38;5;196m', '\x1b[K'])),
  'zero width': (t, r) => inserted(t, r, () => pick(r, ['\u200b', '\u200d', '\ufeff', '\u2060', '\u00ad', '\u202e'])),
};

function inserted(text: string, random: Random, what: () => string): string {
  return text.replace(/[\s\S]{5}/gu, (part) => (random() < 0.4 ? part + what() : part));
}

/** Only what has no lines of its own, and no sign that a line's end would take away. */
function wrapped(text: string): string {
  return text.match(/.{1,76}/gsu)?.join('\n') ?? text;
}

const BEFORE = [
  '',
  '2026-07-03T14:02:11Z info ',
  '[web] ',
  'Error: connect failed for ',
  '{"level":30,"msg":"',
  '> ',
  '  at ',
  'x=',
];
const AFTER = ['', ' done', '"}', ', retrying in 5 s', ')', '\t(1)', '.'];

/** One line with a secret; the kinds take turns. */
export function plantedLine(index: number, random: Random, known: Readonly<Record<string, string>>): Planted {
  const kinds = Object.keys(SHAPES);
  const before = pick(random, BEFORE);
  const after = pick(random, AFTER);
  const [splitName, split] = pick(random, Object.entries(SPLITS));
  if (index % 2 === 0) {
    const kind = kinds[(index / 2) % kinds.length] as string;
    const [text, secret] = (SHAPES[kind] as (typeof SHAPES)[string])(random);
    return { kind: `${kind}, ${splitName}`, line: `${before}${split(text, random)}${after}`, secret };
  }
  const [name, value] = Object.entries(known)[Math.floor(index / 2) % Object.keys(known).length] as [string, string];
  const spellings = Object.entries(SPELLINGS);
  const [spelling, spell] = spellings[Math.floor(index / 3) % spellings.length] as (typeof spellings)[number];
  const text = spell(value, random);
  const kind = `${name}, ${spelling}`;
  if (/base64|hex/.test(spelling) && random() < 0.4) {
    const filler = spelling.includes('percent') ? '' : word(random, Math.floor(random() * 60));
    // Wrapped, as programs write base64: what stands before it would be encoded along, or be a line of its own.
    return {
      kind: `${kind}, wrapped`,
      line: `${before}\n${wrapped(spelling.startsWith('base64') ? text : filler + text)}\n${after}`,
      secret: text,
    };
  }
  return { kind: `${kind}, ${splitName}`, line: `${before}${split(text, random)}${after}`, secret: text };
}

/** A text as somebody reads it: without what is not seen, and with lines that go on joined. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
const NOISE = /\x1b\[[0-9;]*[A-Za-z]|[\u200b-\u200d\u2060\ufeff\u00ad\u202e]|\r?\n|\\n/g;

/** Was it shown? Looks for parts of it, so that a half is found as well. */
export function leaks(output: string, planted: Pick<Planted, 'secret'>): boolean {
  return lookIn(output)(planted);
}

/** {@link leaks} for many secrets in one output. */
export function lookIn(output: string): (planted: Pick<Planted, 'secret'>) => boolean {
  const seen = output.replace(NOISE, '');
  let parts: Set<string> | undefined;
  return ({ secret }) => {
    const wanted = secret.replace(NOISE, '');
    if (wanted.length <= FRAGMENT) return seen.includes(wanted);
    if (seen.length > 5_000 && !parts) {
      parts = new Set();
      for (let at = 0; at + FRAGMENT <= seen.length; at += 1) parts.add(seen.slice(at, at + FRAGMENT));
    }
    for (let at = 0; at + FRAGMENT <= wanted.length; at += 1) {
      const part = wanted.slice(at, at + FRAGMENT);
      if (parts?.has(part) ?? seen.includes(part)) return true;
    }
    return false;
  };
}
