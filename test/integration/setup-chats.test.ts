import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { readEnvironment } from '../../config/environment.ts';
import { loadConfig } from '../../config/load.ts';
import { addChat } from '../../src/cli/chats/add.ts';
import { testChat } from '../../src/cli/chats/list.ts';
import { removeChatHere } from '../../src/cli/chats/remove.ts';
import { runDoctor } from '../../src/cli/doctor/index.ts';
import type { FettleError } from '../../src/domain/errors.ts';
import { openStore } from '../../src/store/open.ts';
import { listAccounts, listPeople } from '../../src/store/people.ts';
import type { ChatPlatform } from '../support/chat-platform.ts';
import { flagsOf, makeSetupHome, PLATFORMS, type SetupHome } from '../support/chat-setup.ts';
import { until } from '../support/until.ts';

/** Setting chats up against each platform's real protocol: what is asked, written, refused, heard and taken back. */

let home: SetupHome;
beforeEach(() => {
  home = makeSetupHome();
});
afterEach(() => home.close());

const YAML = `# what I keep up to date
language: en   # ours

apps:
    bot:   {run: "node bot.js"}   # odd  spaces
`;

function writeYaml(text = YAML): void {
  mkdirSync(dirname(home.layout.config), { recursive: true, mode: 0o700 });
  writeFileSync(home.layout.config, text, { mode: 0o640 });
}

/** Every file of the home, with its content and mode. */
function files(): Record<string, string> {
  const { home: folder } = home.layout;
  if (!existsSync(folder)) return {};
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    statSync(join(folder, name)).isFile(),
  );
  return Object.fromEntries(
    names.map((name) => [
      name,
      `${(statSync(join(folder, name)).mode & 0o777).toString(8)} ${readFileSync(join(folder, name), 'latin1')}`,
    ]),
  );
}

async function refusal(work: Promise<unknown>): Promise<FettleError> {
  return work.then(
    () => {
      throw new Error('it was not refused');
    },
    (error: FettleError) => error,
  );
}

async function doctorLines(more: NodeJS.ProcessEnv = {}, offline = false): Promise<string[]> {
  const lines: string[] = [];
  await runDoctor({
    layout: home.layout,
    environment: readEnvironment({ PATH: process.env.PATH, HOME: home.layout.home, FETTLE_PORT: '0', ...more }),
    config: undefined,
    offline,
    say: (line) => lines.push(line),
  });
  const begin = lines.indexOf('Chats');
  const end = lines.findIndex((line, index) => index > begin && !line.startsWith(' '));
  return lines.slice(begin + 1, end);
}

describe.each(['feishu', 'discord', 'telegram'] as const)('%s', (name) => {
  let platform: ChatPlatform;
  let given: ReturnType<typeof flagsOf>;
  beforeAll(async () => {
    platform = await PLATFORMS[name]();
    given = flagsOf(platform);
  });
  afterAll(() => platform.close());

  const secretFile = () => join(home.layout.home, name === 'feishu' ? 'feishu.secret' : `${name}.token`);
  const piped = (secret = given.secret) => home.command({ stdin: async () => `${secret}\n` });
  const flags = (more = {}) => ({ ...given.flags, secretFile: '-', ...more });

  test('is asked before anything is written; the secret is in its own file alone, other lines stay, and removing it leaves the file as it was', async () => {
    writeYaml();
    const before = files();
    expect(await addChat(name, flags({ dryRun: true }), piped())).toBe(0);
    expect(files()).toEqual(before);
    expect(await addChat(name, flags(), piped())).toBe(0);
    expect(home.said.join('\n')).toMatch(/Connected as @?fettle/i);
    expect(readFileSync(secretFile(), 'utf8')).toBe(`${given.secret}\n`);
    expect(statSync(secretFile()).mode & 0o777).toBe(0o600);
    const text = readFileSync(home.layout.config, 'utf8');
    expect(text.startsWith(YAML)).toBe(true);
    expect(statSync(home.layout.config).mode & 0o777).toBe(0o640);
    expect(loadConfig(home.layout.config).config.chats[name]).toMatchObject(given.flags);
    expect(`${home.said.join('\n')}${text}`).not.toContain(given.secret);
    // Once more: it is there already, and nobody is asked whether it may be replaced.
    expect(await addChat(name, flags(), piped())).toBe(0);
    expect(readFileSync(home.layout.config, 'utf8')).toBe(text);
    expect(await doctorLines()).toEqual([
      expect.stringMatching(/ok .*owner alone/),
      expect.stringMatching(/ok .*knows/),
    ]);
    expect(await removeChatHere(name, { dryRun: true }, home.command())).toBe(0);
    expect(readFileSync(home.layout.config, 'utf8')).toBe(text);
    expect(await removeChatHere(name, {}, home.command())).toBe(0);
    expect(files()).toEqual(before);
  });

  test('what is malformed, refused or can not be tried changes nothing, and says what was expected and where it is', async () => {
    writeYaml();
    const before = files();
    const cut = await refusal(addChat(name, flags(), piped('abc')));
    expect(cut.code).toBe('chat_credentials_malformed');
    expect(cut.data).toMatchObject({ expected: expect.any(String), where: expect.any(String) });
    const last = given.secret.at(-1) === 'a' ? 'b' : 'a';
    const wrong = `${given.secret.slice(0, -1)}${last}`;
    const refused = await refusal(addChat(name, flags(), piped(wrong)));
    expect(refused.code).toBe('chat_credentials_refused');
    expect(`${cut.message}${refused.message}${home.said.join()}`).not.toContain(wrong);
    const nobody = createServer();
    await new Promise<void>((resolve) => nobody.listen(0, '127.0.0.1', resolve));
    const address = `http://127.0.0.1:${(nobody.address() as AddressInfo).port}`;
    await new Promise((resolve) => nobody.close(resolve));
    const key = name === 'feishu' ? 'domain' : 'api';
    expect((await refusal(addChat(name, flags({ [key]: address }), piped()))).code).toBe('chat_unreachable');
    // A person may go on: the network of today is not that of tomorrow.
    const answers = { asked: [] as string[], answers: ['n'] };
    const declined = refusal(
      addChat(name, flags({ [key]: address }), home.command({ stdin: async () => given.secret }, answers)),
    );
    expect((await declined).code).toBe('chat_unreachable');
    expect(answers.asked.at(-1)).toContain('Write it all the same?');
    expect(files()).toEqual(before);
    expect(await addChat(name, flags({ [key]: address, check: false }), piped())).toBe(0);
    expect(loadConfig(home.layout.config).config.chats[name]).toMatchObject({ [key]: address });
  });

  test('a message to the bot is heard and answered; who wrote it may become the first admin', async () => {
    const script = { asked: [] as string[], answers: ['y'] };
    const done = addChat(name, flags({ wait: 30 }), home.command({ stdin: async () => given.secret }, script));
    await until('the bot to listen', () => home.said.some((line) => line.includes('Waiting for')));
    await platform.type('hello', { person: platform.people.anna, place: 'direct' });
    expect(await done).toBe(0);
    const account = `${name}:${platform.people.anna}`;
    expect(home.said.join('\n')).toContain(account);
    expect(script.asked).toEqual([expect.stringContaining(`(${account}) the first admin? [y/N]`)]);
    expect(platform.messages().at(-1)).toMatchObject({ title: 'Fettle hears you', place: 'direct' });
    await until('the connection to end', () => platform.connections() === 0);
    const store = await openStore(home.layout.hub.db);
    try {
      const [admin] = await listPeople(store.db);
      expect(admin).toMatchObject({ role: 'admin' });
      expect(await listAccounts(store.db, admin?.person)).toMatchObject([{ platform: name }]);
    } finally {
      await store.close();
    }
  });

  test('no message in time: what it may be is listed, and the chat stays set up', async () => {
    expect(await addChat(name, flags(), piped())).toBe(0);
    home.said.length = 0;
    expect(await testChat(name, 1, home.command())).toBe(1);
    expect(home.said.join('\n')).toMatch(/No message came[\s\S]*1\. [\s\S]*3\. [\s\S]*Try again: fettle chats test/);
    await until('the connection to end', () => platform.connections() === 0);
  });

  test('doctor finds a secret that is gone, is open to others, or was revoked', async () => {
    expect(await addChat(name, flags(), piped())).toBe(0);
    chmodSync(secretFile(), 0o644);
    expect((await doctorLines({}, true)).join('\n')).toMatch(/WRONG .*Others can read .*mode 644[\s\S]*chmod 600/);
    writeFileSync(secretFile(), '');
    expect((await doctorLines()).join('\n')).toMatch(/WRONG .*the file is empty/);
    chmodSync(secretFile(), 0o600);
    writeFileSync(secretFile(), given.secret);
    platform.revoke();
    const told = (await doctorLines()).join('\n');
    expect(told).toMatch(/WRONG .*refuses the/);
    expect(told).not.toContain(given.secret);
  });
});

describe('what is there', () => {
  let telegram: ChatPlatform;
  beforeAll(async () => {
    telegram = await PLATFORMS.telegram();
  });
  afterAll(() => telegram.close());
  const { secretFile: _, ...none } = { secretFile: undefined };
  const OTHER = `123456:${'x'.repeat(35)}`;

  test('a secret or settings that are there are replaced only by who says so', async () => {
    const { flags, secret } = flagsOf(telegram);
    mkdirSync(home.layout.home, { recursive: true });
    const file = join(home.layout.home, 'telegram.token');
    writeFileSync(file, OTHER);
    const piped = () => home.command({ stdin: async () => secret });
    const refused = await refusal(addChat('telegram', { ...flags, secretFile: '-' }, piped()));
    expect(refused.data.reason).toMatch(/the token in .*telegram\.token would be replaced: --replace does that/);
    const script = { asked: [] as string[], answers: ['n'] };
    const asked = home.command({ stdin: async () => secret }, script);
    expect(await addChat('telegram', { ...flags, secretFile: '-', wait: false }, asked)).toBe(0);
    expect(readFileSync(file, 'utf8')).toBe(OTHER);
    expect(existsSync(home.layout.config)).toBe(false);
    expect(await addChat('telegram', { ...flags, secretFile: '-', replace: true }, piped())).toBe(0);
    expect(readFileSync(file, 'utf8')).toBe(`${secret}\n`);
    const moved = await refusal(addChat('telegram', { ...flags, proxy: 'none', secretFile: '-' }, piped()));
    expect(moved.data.reason).toContain('chats.telegram in');
  });

  test('a person is asked until the shape is right, and Ctrl-C leaves everything as it was', async () => {
    writeYaml();
    const before = files();
    const { flags } = flagsOf(telegram);
    const script = { asked: [] as string[], answers: ['short', OTHER] };
    await expect(addChat('telegram', { ...flags, ...none }, home.command({}, script))).rejects.toThrow();
    expect(script.asked).toHaveLength(3);
    expect(home.said.join('\n')).toMatch(/That can't be right: expected digits[\s\S]*Telegram refuses the token/);
    expect(files()).toEqual(before);
  });

  test('a secret stays where it is with --in-place: its path is written, and removing the chat leaves it', async () => {
    const { flags, secret } = flagsOf(telegram);
    mkdirSync(home.layout.home, { recursive: true });
    const file = join(dirname(home.layout.home), 'mine');
    writeFileSync(file, secret);
    expect(await addChat('telegram', { ...flags, secretFile: file, inPlace: true }, home.command())).toBe(0);
    expect(loadConfig(home.layout.config).config.chats.telegram?.tokenFile).toBe(file);
    expect(readdirSync(home.layout.home)).toEqual(['fettle.yaml']);
    expect(await removeChatHere('telegram', {}, home.command())).toBe(0);
    expect(readFileSync(file, 'utf8')).toBe(secret);
    expect(existsSync(home.layout.config)).toBe(false);
  });

  test('the variable is taken, and is said to win where it is another one', async () => {
    const { flags, secret } = flagsOf(telegram);
    const environment = readEnvironment({ PATH: process.env.PATH, FETTLE_TELEGRAM_TOKEN: secret });
    expect(await addChat('telegram', flags, home.command({ environment }))).toBe(0);
    expect(readFileSync(join(home.layout.home, 'telegram.token'), 'utf8')).toBe(`${secret}\n`);
    const other = readEnvironment({ PATH: process.env.PATH, FETTLE_TELEGRAM_TOKEN: OTHER });
    const command = home.command({ environment: other, stdin: async () => secret });
    expect(await addChat('telegram', { ...flags, secretFile: '-' }, command)).toBe(0);
    expect(home.said.join('\n')).toContain('FETTLE_TELEGRAM_TOKEN is set here to another token, and wins');
  });

  test.each([
    ['an address that is none', { api: 'nonsense' }, /^--api: expected an address/],
    ['a flag of another chat', { appId: 'cli_0123456789abcdef' }, /--app-id is not for telegram/],
    ['no secret at all', {}, /there is no token yet. Give --secret-file FILE/],
    [
      'a file that is not there',
      { secretFile: '/nowhere/token' },
      /^--secret-file \/nowhere\/token: there is no such file$/,
    ],
  ])('%s is refused, and nothing is made', async (_name, flags, reason) => {
    const { secret } = flagsOf(telegram);
    const stdin = async () => secret;
    const given = 'api' in flags || 'appId' in flags ? { ...flags, secretFile: '-' } : flags;
    const { data } = await refusal(addChat('telegram', given, home.command({ stdin })));
    expect(data.reason).toMatch(reason);
    expect(existsSync(home.layout.home)).toBe(false);
  });

  test('a file that is no configuration is not touched', async () => {
    writeYaml('apps: [');
    const { flags, secret } = flagsOf(telegram);
    const command = home.command({ stdin: async () => secret });
    await expect(addChat('telegram', { ...flags, secretFile: '-' }, command)).rejects.toThrow(/fettle\.yaml:1/);
    expect(readFileSync(home.layout.config, 'utf8')).toBe('apps: [');
  });
});
