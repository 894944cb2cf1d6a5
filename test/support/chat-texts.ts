import { COMMANDS } from '../../src/commands/index.ts';
import { pick, type Random, word } from './planted.ts';

/** Texts that people, and those who mean harm, may send to a bot, generated from a seed. */

const APPS = [
  'web',
  'bot',
  'hub',
  'agent',
  'on',
  'all',
  'constructor',
  '__proto__',
  'prototype',
  'toString',
  'hasOwnProperty',
  'valueOf',
];
const VERSIONS = [
  '1.0.0',
  '1.1.0',
  '9.9.9',
  '1.1',
  'v1.1.0',
  '1.1.0-rc.1+x',
  '999999999999999999999.0.0',
  '-1',
  '1e309',
  'NaN',
  'latest',
  '0x10',
  '１.１.０',
];
const STRANGE = [
  ...[
    '\u202e',
    '\u202d',
    '\u2066',
    '\u200b',
    '\u200d',
    '\ufeff',
    '\u00ad',
    '\u0301',
    '\u0300\u0301\u0302',
    '\x00',
    '\x07',
    '\x1b[31m',
    '\x7f',
    '\ud800',
    '\udc00',
  ],
  ...[
    '"',
    "'",
    '`',
    '“',
    '”',
    '「',
    '」',
    '\\',
    '\\"',
    '""',
    "''",
    '$(id)',
    '`id`',
    '; ls',
    '&& ls',
    '| cat',
    '\n',
    '\r\n',
    '\t',
    '　',
    '/',
    '／',
    '//',
    '@',
    '＠',
    '#',
    '%s',
    '%00',
    '{}',
    '{{x}}',
    '$'.concat('{x}'),
    '<b>',
    '&lt;',
    '[x](y)',
    '*_~',
    '||',
    '--',
    '—',
    '--=',
    '-',
    '=',
    ':',
    '：',
  ],
  ...[
    'аpp',
    'ｗｅｂ',
    'wеb',
    'İ',
    'ß',
    'ﬁ',
    '①',
    'Ω',
    '👩‍👩‍👧‍👦',
    '🇨🇳',
    '𝓾𝓹𝓭𝓪𝓽𝓮',
    'إعادة',
    'עדכון',
    'обновить',
    '更新',
    '重启一下',
    '检查更新',
    '编译重启',
    '修一下 web：打不开',
    '全部',
    '开',
    '关',
  ],
  ...[
    "' OR 1=1 --",
    '../../etc/passwd',
    '/etc/shadow',
    'null',
    'undefined',
    'true',
    '[object Object]',
    '0',
    '-0',
    'Infinity',
    '\u2028',
    '\u0085',
  ],
];
const FLAGS = [
  '--dry-run',
  '--force',
  '--with-data',
  '--with-data=maybe',
  '--FORCE',
  '--no-such',
  '--',
  '-x',
  '--dry-run=',
  '--__proto__',
  '--constructor=1',
];

const HOMOGLYPHS: Readonly<Record<string, string>> = {
  a: 'а',
  e: 'е',
  o: 'о',
  p: 'р',
  c: 'с',
  u: 'ս',
  '/': '⁄',
  d: 'ԁ',
};

const TEXTS = COMMANDS.flatMap(({ name, examples, phrases = [] }) => [
  `/${name}`,
  ...examples.map(({ text }) => text),
  ...phrases.map((phrase) => (typeof phrase === 'string' ? phrase : phrase.say)),
]);

/** One text. Most begin as a command does; each is wrong in a way of its own. */
export function chatText(random: Random): string {
  const kind = random();
  if (kind < 0.05) return soup(random, 1 + Math.floor(random() * 60));
  if (kind < 0.06) return huge(random);
  let text = pick(random, TEXTS);
  const count = Math.floor(random() * 5);
  for (let i = 0; i < count; i += 1) text = mutated(text, random);
  return text;
}

function mutated(text: string, random: Random): string {
  const at = Math.floor(random() * (text.length + 1));
  const put = (part: string) => text.slice(0, at) + part + text.slice(at);
  switch (Math.floor(random() * 14)) {
    case 0:
      return `${text} ${pick(random, APPS)}`;
    case 1:
      return `${text} ${pick(random, APPS)}@${pick(random, VERSIONS)}`;
    case 2:
      return `${text} ${pick(random, VERSIONS)}`;
    case 3:
      return `${text} ${pick(random, FLAGS)}`;
    case 4:
      return `${text} on ${pick(random, ['label=x', 'all', 'nowhere', 'label=', '=x', 'on', 'd-1'])}`;
    case 5:
      return put(pick(random, STRANGE));
    case 6:
      return `${text} ${pick(random, STRANGE)}`;
    case 7:
      return text.slice(0, at) + text.slice(at + 1 + Math.floor(random() * 3));
    case 8:
      return text.replace(/./gu, (c) => (random() < 0.15 ? (HOMOGLYPHS[c] ?? c) : c));
    case 9:
      return text.toUpperCase();
    case 10:
      return `${text}${pick(random, [' ', '\n', '\u00a0'])}${pick(random, TEXTS)}`;
    case 11:
      return `${text} ${'"'.repeat(1 + Math.floor(random() * 9))}${word(random, 5)}${"'".repeat(Math.floor(random() * 9))}`;
    case 12:
      return `${text} u-${word(random, 4)} ${'9'.repeat(Math.floor(random() * 30))}`;
    default:
      return [...text].reverse().join('').slice(0, 200) + put(text);
  }
}

function soup(random: Random, length: number): string {
  return Array.from({ length }, () =>
    random() < 0.5 ? pick(random, STRANGE) : String.fromCharCode(Math.floor(random() * 65_536)),
  ).join('');
}

function huge(random: Random): string {
  const unit = pick(random, [...STRANGE, '/update now ', 'a', '更新 ', 'web@1.0.0 ', '--x=']);
  return pick(random, ['/update now ', '', '/']) + unit.repeat(Math.ceil((1_000 + random() * 200_000) / unit.length));
}
