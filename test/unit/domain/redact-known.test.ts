import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { homeLayout } from '../../../config/home.ts';
import { readKnownSecrets } from '../../../config/known-secrets.ts';
import { createDiscretion } from '../../../src/cli/discretion.ts';
import { createRedactor, HIDDEN, secretsInside, secretValues } from '../../../src/domain/redact.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fettle-known-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const write = (path: string, text: string) => {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
};
const options = (variables: Record<string, string> = {}) => ({
  layout: homeLayout(folder, join(folder, 'run')),
  configFile: join(folder, 'fettle.yaml'),
  userHome: join(folder, 'me'),
  variables,
});

test('what is secret on a machine is read from where it is', () => {
  write(
    'fettle.yaml',
    [
      'chats:',
      '  discord: {tokenFile: bot.token, proxy: "http://ann:of-the-proxy@127.0.0.1:7890"}',
      'hub: {tls: {key: ./tls.key, cert: ./tls.crt}}',
      'apps:',
      '  web:',
      '    keep: [data, .env, app.secret]',
      '    keys: [RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3]',
      '    env: {API_KEY: of-the-environment, PORT: "8080", DATABASE_URL: "postgres://u:of%2Fthe-database@db/x", AUTHOR: Jane Doe}',
      '    rehearse: {env: {BOT_TOKEN: of-the-rehearsal}}',
    ].join('\n'),
  );
  write('bot.token', 'of-the-file\n');
  write('feishu.secret', 'of-the-usual-file\n');
  write(
    'tls.key',
    '-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIGFhYWFhYWFhYWFhYWFhYWFhYWFh\n-----END PRIVATE KEY-----\n',
  );
  write('tls.crt', 'of-the-certificate');
  write(
    'hub/npm.conf',
    '//npm.example.com/:_authToken=of-the-registry\n//x/:_password=b2YtdGhlLXBhc3N3b3Jk\nfoo=bar-bar\n_auth=$'.concat(
      '{NPM_AUTH}\n',
    ),
  );
  write('me/.git-credentials', 'https://me:of-git@gitee.com\nhttps://of-git-alone@github.com\n');
  write('me/.netrc', 'machine a login b password of-netrc\n');
  write(
    'apps/web/shared/.env',
    '# comment\nexport SECRET_ONE="of the quotes"\nSMTP_PASS=of-smtp # why\nDEBUG=verbose-and-long\n',
  );
  write('apps/web/shared/app.secret', 'of-one-line\n');
  const { values } = readKnownSecrets(
    options({
      FETTLE_KEY_PASSWORD: 'of-the-release-key',
      PATH: '/usr/bin:/bin',
      HTTPS_PROXY: 'http://a:of-a-proxy@h:1',
    }),
  );
  for (const value of [
    ...[
      'of-the-file',
      'of-the-usual-file',
      'of-the-proxy',
      'of-the-environment',
      'of/the-database',
      'of-the-rehearsal',
    ],
    ...[
      'of-the-registry',
      'of-the-password',
      'of-git',
      'of-git-alone',
      'of-netrc',
      'of the quotes',
      'of-smtp',
      'of-one-line',
    ],
    ...['of-the-release-key', 'of-a-proxy'],
  ])
    expect(values, value).toContain(value);
  expect(values.join('\n')).toContain('MC4CAQ');
  for (const value of [
    'of-the-certificate',
    'RWQf6',
    '8080',
    'bar-bar',
    '/usr/bin',
    'verbose',
    'Jane Doe',
    './tls.key',
    'NPM_AUTH',
  ])
    expect(values.join('\n'), value).not.toContain(value);
});

test('where somebody works, who they are and what the machine is called are no secrets', () => {
  const shell = {
    ...{
      PWD: '/srv/mybot',
      OLDPWD: '/srv/other',
      USER: 'robot',
      LOGNAME: 'robot',
      HOSTNAME: 'robot-7',
      HOME: '/srv/me',
    },
    ...{ XAUTHORITY: '/srv/me/.Xauthority', SSH_AUTH_SOCK: '/tmp/ssh-XX/agent.12', TG_TOKEN_FILE: '/run/secrets/tg' },
    GOOGLE_APPLICATION_CREDENTIALS: '/etc/bot/google.json',
  };
  write('fettle.yaml', `apps: {web: {env: {DB_PASSWORD: robot, ADMIN_PASSWORD: robot-7, TOKEN: ${hostname()}}}}\n`);
  const { redact } = createDiscretion(options(shell), { keepHomes: true });
  for (const text of [
    ...Object.values(shell).map((value) => `${value}: a folder that no git knows`),
    ...[`${folder}/logs/web.log of robot on robot-7`, `the machine ${hostname()}`],
    ...['PWD=/srv/mybot', 'SSH_AUTH_SOCK=/tmp/ssh-XX/agent.12', 'tokenFile: bot.token', 'BOT_TOKEN_FILE=/run/x'],
  ])
    expect(redact(text)).toBe(text);
  // Behind its name a value is hidden, whatever it is; and what only begins as a path does.
  expect(redact('DB_PASSWORD=robot')).toBe(`DB_PASSWORD=${HIDDEN}`);
  expect(secretValues({ PWD: 'of-a-database', API_KEY: '/9j4AAQ/SkZJRg+AB==' })).toEqual([
    ...['of-a-database', '/9j4AAQ/SkZJRg+AB=='],
  ]);
  expect(redact('Server=db;Uid=me;Pwd=/9j4AAQ')).toBe(`Server=db;Uid=me;Pwd=${HIDDEN}`);
});

test('a file that is broken, a folder or very large hides what it can and throws nothing', () => {
  write('fettle.yaml', 'apps:\n  web: [unclosed\n  token: of-a-broken-file\n');
  mkdirSync(join(folder, 'discord.token'));
  write('telegram.token', 'x'.repeat(300_000));
  expect(readKnownSecrets(options()).values).toContain('of-a-broken-file');
});

test('what changes is read again', () => {
  write('fettle.yaml', 'apps: {web: {keep: [.env]}}\n');
  let now = 0;
  const { redact } = createDiscretion(options(), { monotonic: () => now });
  expect(redact('says of-tomorrow')).toBe('says of-tomorrow');
  write('apps/web/shared/.env', 'TOKEN=of-tomorrow\n');
  utimesSync(join(folder, 'apps/web/shared/.env'), 1, 1);
  now = 2_000;
  expect(redact('says of-tomorrow')).toBe(`says ${HIDDEN}`);
});

test('short values: by the word from 4 characters on, anywhere from 6 on, never below', () => {
  const redact = createRedactor({ secrets: ['abc', 'abcd', 'uvwxyz'] });
  expect(redact('abc abcd xabcd abcde abcd. (abcd) 1uvwxyz2')).toBe(
    `abc ${HIDDEN} xabcd abcde ${HIDDEN}. (${HIDDEN}) 1${HIDDEN}2`,
  );
  expect(
    secretValues({ TOKEN: 'test', A_KEY: 'true', KEY: '123', SECRET: 'main', S_KEY: 'ab1!', AUTHOR: 'Jane Doe' }),
  ).toEqual(['ab1!']);
  expect(secretsInside('{"a":{"client_secret":"of-json"}}')).toEqual(['of-json']);
});

test('homes: of others too, in addresses of files, and where one is /', () => {
  const redact = createRedactor({ homes: ['/', '/srv/fettle/', '/var/lib/fettle'] });
  expect(redact('/var/lib/fettle/logs /srv/fettle /srv/fettles /x/srv/fettle')).toBe(
    '~/logs ~ /srv/fettles /x/srv/fettle',
  );
  expect(redact('/home/jürgen/x /var/home/jane/y file:///home/a/b file:///root/z /root /rooted')).toBe(
    '~/x ~/y file://~/b file://~/z ~ /rooted',
  );
  expect(createRedactor({ homes: ['/srv/fettle'], keepHomes: true })('/srv/fettle /home/a')).toBe(
    '/srv/fettle /home/a',
  );
});

test('the line that enrols a device stays where it is handed out', () => {
  const line = 'curl -fsS https://hub.example.com/enroll | sudo sh -s -- k7m2-9fqx-3r8t-w5vd';
  expect(createRedactor()(line)).not.toContain('k7m2');
  expect(createRedactor({ keepEnrolment: true })(line)).toBe(line);
});
