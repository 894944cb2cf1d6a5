import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { homeLayout } from '../../../config/home.ts';
import { explainPolicy } from '../../../src/cli/policy/explain.ts';
import { generateMinisignKey } from '../../../src/origin/minisign-secret.ts';

/** `fettle agent --check`: what a person reads of a device's file. */

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fettle-explain-'));
  mkdirSync(join(folder, 'logs'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function check(text: string): { readonly exit: number; readonly said: string } {
  const file = join(folder, 'agent.yaml');
  writeFileSync(file, text);
  const lines: string[] = [];
  const exit = explainPolicy({
    layout: homeLayout(folder, folder),
    file,
    path: '/usr/bin:/bin',
    hasUser: (name) => name === 'robot',
    print: (line) => lines.push(line),
  });
  return { exit, said: lines.join('\n') };
}

test('says who decides, what is run as whom, what is written and what may be asked', () => {
  const { exit, said } = check(`
apps:
  robot:
    source: git https://ada:hunter22@git.example.org/robot main
    refs: [main, 'v*']
    signedBy: [${'AB12'.repeat(10)}]
    build: make
    run: ./robot
    user: robot
    keep: [data]
    notNow: /run/moving
    stop: {drain: ./drain.sh}
tools:
  tail: {run: [tail, -n, '{n}', '{file}'], user: robot, args: {n: {type: number, max: 9}, file: {type: path, under: [logs]}}}
`);
  expect(exit).toBe(0);
  for (const sentence of [
    'Releases come from git https://git.example.org/robot main, channel stable.',
    'Only what main, v* lead to is taken, whatever a hub orders.',
    `must be signed by OpenPGP ${'AB12'.repeat(10)}.`,
    'Each release is built with `make`, by a shell, as the user of Fettle.',
    '`./robot` is run as robot.',
    'Beside it, for updates: `./drain.sh`.',
    'It is not stopped while /run/moving says not now, unless a person forces it.',
    `Written: ${folder}/apps/robot; its data (data) is in ${folder}/apps/robot/shared.`,
    '`tail -n {n} {file}` is run as robot, in /, without a shell, for 1m at most.',
    `n: a whole number from 0 to 9; file: something in ${folder}/logs.`,
    'It can run one tool: tail.',
    'Nothing from afar can replace this file.',
    'Nothing is wrong.',
  ]) {
    expect(said).toContain(sentence);
  }
  expect(said).not.toContain('hunter22');
  expect(said).not.toContain('Warning');
});

test('with keys and no source: whose releases, wherever they are', () => {
  const key = generateMinisignKey().publicKey.text;
  const { said } = check(`apps: {robot: {binary: /opt/robot/robot, keys: [${key}], user: robot}}\n`);
  for (const sentence of [
    'Releases come from wherever the hub says, channel stable: https, and no service of this machine unless the hub is on it, too.',
    `Each release must be signed for robot by the key ${key}.`,
    'A hub can have it updated to such a release (never to one that is older, but back to the last good one)',
  ]) {
    expect(said).toContain(sentence);
  }
  expect(said).not.toContain('never updated');
  expect(check('apps: {robot: {run: x, user: robot}}\n').said).toContain('never updated: it has no source');
});

test.each<[string, string, number, RegExp]>([
  ['an old release', '{run: ./x, user: robot, downgrade: any}', 0, /Warning: web: downgrade any/],
  ["Fettle's own user", '{run: ./x}', 0, /Warning: web runs as the user of Fettle/],
  ['scripts', '{source: npm x, run: x, user: robot, scripts: true}', 0, /Warning: web: scripts/],
  ['no such user', '{run: ./x, user: nobody-here}', 1, /Wrong: web: this machine has no user nobody-here/],
  ['an unknown key', '{run: ./x, usr: robot}', 1, /agent\.yaml:1: apps\.web\.usr: no such key.* Did you mean user\?/],
])('an app: %s', (_, app, exit, expected) => {
  const answer = check(`apps: {web: ${app}}`);
  expect(answer.said).toMatch(expected);
  expect(answer.exit).toBe(exit);
});

test.each<[string, string, number, RegExp]>([
  ['no such program', '{run: [/no/such], user: robot}', 1, /Wrong: .*no program \/no\/such/],
  [
    'no such folder',
    '{run: [cat, "{f}"], user: robot, args: {f: {type: path, under: [/no/such]}}}',
    1,
    /Wrong: .*no folder/,
  ],
  [
    'a folder of all',
    '{run: [cat, "{f}"], user: robot, args: {f: {type: path, under: [open]}}}',
    0,
    /Warning: .*everybody may write/,
  ],
  [
    'a shell',
    '{run: [sh, -c, x, sh, "{w}"], user: robot, args: {w: {type: word}}}',
    0,
    /Warning: .*gives what comes from outside to sh/,
  ],
  [
    'anything',
    '{run: [cat, "{w}"], user: robot, args: {w: {type: word, pattern: ".*"}}}',
    0,
    /Warning: .*nearly anything/,
  ],
  ["Fettle's own user", '{run: [/bin/true]}', 0, /Warning: the tool x runs as the user of Fettle/],
])('a tool: %s', (_, tool, exit, expected) => {
  mkdirSync(join(folder, 'open'));
  chmodSync(join(folder, 'open'), 0o777);
  const answer = check(`tools: {x: ${tool}}`);
  expect(answer.said).toMatch(expected);
  expect(answer.exit).toBe(exit);
});

test('says who may replace it from afar, and finds a key that is none', () => {
  const { text } = generateMinisignKey().publicKey;
  expect(check(`policyKey: ${text}`).said).toContain(`replaced from afar by whoever has the secret half of ${text}`);
  expect(check(`policyKey: RW${'A'.repeat(54)}`)).toMatchObject({
    exit: 1,
    said: expect.stringMatching(/policyKey is no public key/),
  });
});
