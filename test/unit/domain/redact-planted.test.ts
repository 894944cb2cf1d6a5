import { describe, expect, test } from 'vitest';
import { createRedactor, HIDDEN, redactorOf } from '../../../src/domain/redact.ts';
import { createRedactingStream } from '../../../src/domain/redaction/stream.ts';
import { knownSecrets, leaks, lookIn, type Planted, plantedLine, randomOf, word } from '../../support/planted.ts';

const KNOWN = knownSecrets();
const LINES = 10_000;
const redactor = redactorOf({ secrets: Object.values(KNOWN) });

const planted = (seed: number, count = LINES): Planted[] => {
  const random = randomOf(seed);
  return Array.from({ length: count }, (_, index) => plantedLine(index, random, KNOWN));
};

test('of 10,000 lines with secrets none shows one, and repeating it changes nothing', () => {
  const leaked: Planted[] = [];
  let unsteady = 0;
  for (const one of planted(1)) {
    const told = redactor.redact(one.line);
    if (leaks(told, one)) leaked.push({ ...one, line: told });
    if (redactor.redact(told) !== told) unsteady += 1;
  }
  expect(summary(leaked)).toEqual([]);
  expect(unsteady).toBe(0);
});

test('the same lines without a redactor show their secrets, and without values those that are known', () => {
  const lines = planted(1, 2_000);
  expect(lines.filter((one) => leaks(one.line, one)).length).toBe(2_000);
  const blind = createRedactor();
  expect(lines.filter((one) => leaks(blind(one.line), one)).length).toBeGreaterThan(500);
});

describe('in pieces', () => {
  test.each([1, 7, 64, 1_000, 65_536])('of about %i characters: as in one', (size) => {
    const random = randomOf(size);
    const lines = planted(size, size === 1 ? 300 : 3_000);
    const text = `${lines.map(({ line }) => line).join('\n')}\n`;
    let told = '';
    const stream = createRedactingStream(redactor, (part) => {
      told += part;
    });
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; ) {
      const length = 1 + Math.floor(random() * size * 2);
      stream.write(bytes.subarray(at, at + length));
      at += length;
    }
    stream.end();
    expect(summary(lines.filter(lookIn(told)))).toEqual([]);
    expect(told.endsWith('\n')).toBe(true);
  });

  test('a line without an end, and secrets wherever the window ends', () => {
    const random = randomOf(3);
    const lines = planted(5, 2_000).filter(({ line }) => !line.includes('\n'));
    let told = '';
    let largest = 0;
    const stream = createRedactingStream(redactor, (part) => {
      told += part;
      largest = Math.max(largest, part.length);
    });
    for (const { line } of lines) stream.write(`${line} ${word(random, Math.floor(random() * 300))} `);
    stream.end();
    expect(summary(lines.filter(lookIn(told)))).toEqual([]);
    // Nothing was kept to the end.
    expect(largest).toBeLessThan(100_000);
  });

  test('one that never ends is left out, and what follows it is told', () => {
    let told = '';
    const stream = createRedactingStream(redactor, (part) => {
      told += part;
    });
    stream.write('before token=');
    for (let i = 0; i < 100; i += 1) stream.write('Aa1'.repeat(1_000));
    stream.write(' after\nnext line\n');
    stream.end();
    expect(told).not.toContain('Aa1Aa1');
    expect(told).toContain('before token=');
    expect(told).toContain('next line');
    expect(told.length).toBeLessThan(1_000);
  });
});

test('JSON stays JSON', () => {
  const broken: string[] = [];
  // A key whose first line is taken apart by escapes of colours hides what stands before it on its line.
  for (const { line, secret } of planted(3, 3_000).filter(({ kind }) => !/^pem.*coloured/.test(kind))) {
    const value = {
      line,
      tokens: 1234,
      secrets: [12, { key: 99_999_999 }],
      password: secret,
      of: { 'x-token': [line] },
      cookie: 5,
    };
    const told = redactor.redact(JSON.stringify(value));
    try {
      expect(JSON.parse(told)).toMatchObject({ tokens: 1234, secrets: [12, { key: 99_999_999 }] });
    } catch (error) {
      broken.push(`${String(error).slice(0, 100)}: ${JSON.stringify(value)} → ${told}`.slice(0, 900));
    }
  }
  expect(broken.slice(0, 5)).toEqual([]);
});

test('a text that was cut inside of a known value does not show the rest', () => {
  const value = KNOWN.long as string;
  expect(redactor.redact(`failed with ${value.slice(0, 50)}`)).toBe(`failed with ${HIDDEN}`);
  expect(redactor.redact(`failed with ${value.slice(0, 50)}…`)).toBe(`failed with ${HIDDEN}…`);
  expect(redactor.redact(`${value.slice(-50)} was refused`)).toBe(`${HIDDEN} was refused`);
});

test('what people need stays as it is', () => {
  const random = randomOf(9);
  const hex = (length: number) => word(random, length, '0123456789abcdef');
  const base64 = (length: number) =>
    word(random, length, 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/');
  for (let i = 0; i < 2_000; i += 1) {
    const version = `${i % 7}.${i % 40}.${i % 9}`;
    const text = [
      `web ${version}-rc.${i % 4}+build.${i} (v${version})`,
      `sha256-${hex(64)} sha256:${hex(64)} ${hex(64)}  artifact-${version}.tar.gz`,
      `sha512-${base64(86)}== sha256/${base64(43)}=`,
      `commit ${hex(40)} on main, ${hex(7)}`,
      `${hex(8)}-${hex(4)}-4${hex(3)}-a${hex(3)}-${hex(12)} d-${hex(8)}-${hex(4)}-${hex(4)}-${hex(4)}-${hex(12)}`,
      `keys: [RWQ${base64(53)}]`,
      `untrusted comment: minisign public key ${hex(16).toUpperCase()}\nRWQ${base64(53)}`,
      `untrusted comment: signature from minisign\nRUQ${base64(97)}`,
      `u-${word(random, 4, '23456789bcdfghjkmnpqrstvwxyz')} of my-bot on robot-7: rolled-back in 0.9 s`,
      `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI${base64(43)}`,
      `-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA${base64(43)}=\n-----END PUBLIC KEY-----`,
      `http://127.0.0.1:${8_000 + i}/health?verbose=1 https://registry.npmjs.org/@scope/pkg@${version}`,
      `2026-07-03T14:02:11.${100 + (i % 900)}Z pid ${i} exit 1, signal SIGTERM, docker run -u 1000:1000 x`,
      `web: the update to ${version} failed: tests pass: ${i}, password: null`,
      `重启完成：${version}，用时 ${i} 毫秒`,
      'a-rather-long-name-of-some-module.test.ts the-authorization-service',
    ].join('\n');
    expect(redactor.redact(text)).toBe(text);
  }
});

test('time is linear in the text, whatever is in it', () => {
  const units = [
    ...[
      'a',
      'A.',
      '/',
      '://',
      'a://',
      'https://a?',
      'password=',
      'token="',
      '"\\',
      'eyJaaaaaaaa.',
      'cookie: [',
      'bearer ',
      '-u a:',
    ],
    ...[
      '-----BEGIN PRIVATE KEY-----\n',
      '-----END PRIVATE KEY-----\n',
      '%25',
      '\\\\',
      '&#38;',
      '\x1b[31m',
      '\x1b]',
      '\u200b',
      '\n',
    ],
    ...[
      'aB3+\n',
      `${'a'.repeat(60)}\n`,
      '/root',
      '123456:',
      't-',
      'A_KEY=',
      '[hidden]',
      'token=[hidden]',
      '密码：',
      '"',
      "'\\''",
      ';a=',
    ],
  ];
  const time = (text: string) => {
    // Of the processor: others are at work on this machine.
    const began = process.cpuUsage();
    redactor.redact(text);
    return process.cpuUsage(began).user / 1_000;
  };
  time(
    planted(2, 500)
      .map(({ line }) => line)
      .join('\n'),
  );
  for (const unit of units) {
    const text = unit.repeat(Math.ceil(25_000 / unit.length));
    const best = (of: string) => Math.min(time(of), time(of), time(of));
    const [one, four] = [best(text), best(text.repeat(4))];
    expect({ unit, ratio: four < 150 || four / one < 12 }).toEqual({ unit, ratio: true });
  }
  const megabyte = units
    .map((unit) => unit.repeat(Math.ceil(30_000 / unit.length)))
    .join('')
    .slice(0, 1_000_000);
  expect(time(megabyte)).toBeLessThan(20_000);
});

function summary(leaked: readonly Planted[]): string[] {
  const kinds = new Map<string, string>();
  for (const { kind, line } of leaked) if (!kinds.has(kind)) kinds.set(kind, line.slice(0, 300));
  return [...kinds].map(([kind, line]) => `${kind}: ${line}`).slice(0, 30);
}
