import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { ChatPlatform } from '../support/chat-platform.ts';
import { argvOf, flagsOf, PLATFORMS } from '../support/chat-setup.ts';
import { startAccounts } from '../support/feishu/accounts.ts';
import { type Home, makeHome } from '../support/home.ts';
import { CTRL_C, type PseudoTerminal, startAtTerminal } from '../support/pseudo-terminal.ts';
import { until } from '../support/until.ts';

/** The shipped command at a terminal and in a pipe, as a new user meets it. */

const MAIN = join(import.meta.dirname, '../../dist/main.js');

let telegram: ChatPlatform;
let secret: string;
let home: Home;
const terminals: PseudoTerminal[] = [];
beforeAll(async () => {
  telegram = await PLATFORMS.telegram();
  secret = flagsOf(telegram).secret;
});
afterAll(() => telegram.close());
beforeEach(() => {
  home = makeHome();
});
afterEach(async () => {
  for (const one of terminals.splice(0)) one.close();
  await home.close();
}, 60_000);

function terminal(...args: string[]): PseudoTerminal {
  const made = startAtTerminal([process.execPath, MAIN, ...args], home.env);
  terminals.push(made);
  return made;
}

const add = () => terminal('chats', 'add', 'telegram', ...argvOf(telegram));
const inHome = () => readdirSync(home.layout.home).sort();

/** Nothing that was printed or written has it, but for its own file. */
function nowhereElse(...shown: string[]): void {
  for (const text of shown) expect(text).not.toContain(secret);
  const names = readdirSync(home.layout.home, { recursive: true, encoding: 'utf8' });
  const holders = names.filter((name) => {
    const path = join(home.layout.home, name);
    return statSync(path).isFile() && readFileSync(path, 'latin1').includes(secret);
  });
  expect(holders.filter((name) => name !== 'telegram.token')).toEqual([]);
}

test('a new user pastes a token that nobody sees, writes to the bot, and is the first admin', async () => {
  const screen = add();
  await screen.see('/newbot to @BotFather');
  await screen.see('which is not shown: ');
  screen.type('nonsense\r');
  await screen.see("That can't be right");
  await screen.see('which is not shown: ');
  screen.type(`${secret}\r`);
  await screen.see('Connected as @fettle_test_bot.');
  await screen.see('press Start. (Waiting for up to 3 minutes; Enter skips.)');
  // Typed too late: it is not shown either.
  screen.type(secret);
  await telegram.type('hello', { person: telegram.people.anna, place: 'direct' });
  await screen.see(`Heard Anna, telegram:${telegram.people.anna}, in a direct chat.`);
  await screen.see('the first admin? [y/N] ');
  screen.type('y\r');
  await screen.see('Anna is an admin of this hub.');
  expect(await screen.ended()).toBe(0);
  expect(screen.shown()).not.toContain('nonsense');
  nowhereElse(screen.shown());
  expect(statSync(join(home.layout.home, 'telegram.token')).mode & 0o777).toBe(0o600);
  const { code, out } = await home.fettle(['chats', '--json']);
  expect(code).toBe(0);
  expect(JSON.parse(out).chats[2]).toMatchObject({ platform: 'telegram', configured: true });
});

test('Ctrl-C at the prompt changes nothing; while it waits, it leaves what was said to be written', async () => {
  const first = add();
  await first.see('which is not shown: ');
  first.type(secret.slice(0, 9));
  first.type(CTRL_C);
  expect(await first.ended()).toBe(130);
  expect(first.shown()).toContain('Interrupted. Nothing else was changed.');
  expect(inHome()).toEqual([]);
  const second = add();
  await second.see('which is not shown: ');
  second.type(`${secret}\r`);
  await second.see('Enter skips');
  second.type(CTRL_C);
  expect(await second.ended()).toBe(130);
  expect(inHome().filter((name) => /telegram|yaml|new/.test(name))).toEqual(['fettle.yaml', 'telegram.token']);
  await until('the connection to end', () => telegram.connections() === 0);
  const third = terminal('chats', 'test', 'telegram');
  await third.see('Enter skips');
  third.type('\r');
  await third.see('A test message can be sent later: fettle chats test telegram');
  expect(await third.ended()).toBe(0);
});

test('in a pipe: one JSON object, no question, and nothing but the exit code for what is refused', async () => {
  const args = ['chats', 'add', 'telegram', ...argvOf(telegram), '--secret-file', '-', '--json'];
  const refused = await home.fettle(args, `${secret.slice(0, -1)}x`);
  expect(refused).toMatchObject({ code: 2, out: '' });
  expect(refused.err).toMatch(/^Telegram refuses the token/);
  expect(inHome()).toEqual([]);
  const { code, out, err } = await home.fettle(args, secret);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(JSON.parse(out)).toMatchObject({
    bot: '@fettle_test_bot',
    done: true,
    problems: [],
    secret: { from: 'stdin' },
  });
  nowhereElse(refused.err, out);
});

test('fettle init asks for a chat once the app is there; taking the app back leaves the chat', async () => {
  const app = `${home.layout.home}-app`;
  mkdirSync(app);
  try {
    writeFileSync(join(app, 'package.json'), '{"name":"mybot","version":"1.0.0","scripts":{"start":"node s.js"}}');
    writeFileSync(join(app, 's.js'), 'setInterval(() => {}, 1000);');
    const screen = terminal('init', app, '--source', 'npm mybot', '--port', '8099');
    await screen.see('Do it? [y/N] ');
    screen.type('y\r');
    await screen.see('4  Telegram');
    await screen.see('Which? [1] ');
    screen.type('telegram\r');
    await screen.see('which is not shown: ');
    screen.type(CTRL_C);
    await screen.see('The app is set up, the chat is not: fettle chats add telegram');
    expect(await screen.ended()).toBe(130);
    const told = await home.fettle(['init', app, '--dry-run', '--chat', 'telegram']);
    expect(told.code).toBe(2);
    expect(told.err).toContain('it is already adopted');
    const args = ['chats', 'add', 'telegram', ...argvOf(telegram)];
    const added = await home.fettle(args, undefined, { FETTLE_TELEGRAM_TOKEN: secret });
    expect(added.code).toBe(0);
    expect(added.out).toContain('Taking the token of FETTLE_TELEGRAM_TOKEN.');
    nowhereElse(screen.shown(), added.out);
    const undone = await home.fettle(['init', '--undo', 'mybot', '--yes']);
    expect(undone.out).toContain("The chat telegram is not the app's, and stays: fettle chats remove telegram");
    const removed = await home.fettle(['chats', 'remove', 'telegram']);
    expect(removed.code).toBe(0);
    expect(inHome().filter((name) => /telegram|yaml/.test(name))).toEqual([]);
  } finally {
    rmSync(app, { recursive: true, force: true });
  }
});

test('an app of Feishu that a scan makes: nothing is left to do but to write to the bot', async () => {
  const feishu = await PLATFORMS.feishu();
  const { flags, secret: appSecret } = flagsOf(feishu);
  const app = { appId: flags.appId ?? '', appSecret };
  const accounts = await startAccounts({ url: flags.domain ?? '', app });
  try {
    const screen = terminal('chats', 'add', 'feishu', '--domain', accounts.url);
    await screen.see('Which? [1] ');
    screen.type('scan\r');
    await screen.see('Expected 1 or 2.');
    await screen.see('Which? [1] ');
    screen.type('\r');
    await screen.see('or open https://accounts.example/scan?user_code=ABCD');
    accounts.decide('allow');
    await screen.see(`The app ${app.appId} is made.`);
    await screen.see('Now send the bot any message');
    await screen.see('Enter skips');
    expect(screen.shown()).not.toContain('Is it a new app?');
    await feishu.type('hello', { person: feishu.people.anna, place: 'direct' });
    await screen.see(`Heard Anna, feishu:${feishu.people.anna}, in a direct chat.`);
    await screen.see('the first admin? [y/N] ');
    screen.type('y\r');
    await screen.see('Anna is an admin of this hub.');
    expect(await screen.ended()).toBe(0);
    expect(screen.shown()).not.toContain(appSecret);
    expect(readFileSync(join(home.layout.home, 'feishu.secret'), 'utf8').trim()).toBe(appSecret);
  } finally {
    await accounts.close();
    await feishu.close();
  }
});

test('what is no platform and no command of `fettle chats` is said, with the nearest one', async () => {
  const platform = await home.fettle(['chats', 'add', 'feishuu']);
  expect([platform.code, platform.err.trim()]).toEqual([
    2,
    'There is no chat platform feishuu: feishu, discord, telegram are known. Did you mean feishu?',
  ]);
  const command = await home.fettle(['chats', 'ad']);
  expect([command.code, command.err.trim()]).toEqual([
    2,
    'There is no `fettle chats ad`: list, add, test, remove are known. Did you mean add?',
  ]);
});

test('a hub that runs is restarted, and hears the message itself', { timeout: 120_000 }, async () => {
  writeFileSync(home.layout.config, 'fettle: {for: 1s}\n');
  const answers = telegram.messages().length;
  expect((await home.fettle(['up', '--detach'])).code).toBe(0);
  const screen = add();
  await screen.see('which is not shown: ');
  screen.type(`${secret}\r`);
  await screen.see('Restart it now? [Y/n] ');
  screen.type('\r');
  await screen.see('The hub listens', 60_000);
  await screen.see('Enter skips');
  expect(telegram.connections()).toBe(1);
  await telegram.type('hello', { person: telegram.people.ben, place: 'direct' });
  await screen.see(`Heard Ben, telegram:${telegram.people.ben}, in a direct chat.`);
  await screen.see('the first admin? [y/N] ');
  screen.type('y\r');
  await screen.see('Ben is admin now');
  expect(await screen.ended()).toBe(0);
  const told = telegram.messages().slice(answers);
  expect(told.some(({ title }) => title === 'Fettle hears you')).toBe(false);
  const doctor = await home.fettle(['doctor', '--json']);
  const { groups } = JSON.parse(doctor.out) as {
    groups: { title: string; findings: { level: string; what: string }[] }[];
  };
  const found = groups.find(({ title }) => title === 'Chats')?.findings ?? [];
  expect(found.map(({ level }) => level)).toEqual(['ok', 'ok', 'ok']);
  expect(found[2]?.what).toContain('The hub is connected to Telegram since');
  expect((await home.fettle(['status'])).out).toContain('Telegram: connected since');
  nowhereElse(screen.shown(), doctor.out);
  const removed = await home.fettle(['chats', 'remove', 'telegram']);
  expect(removed.out).toContain("The hub that runs learns of it at its next start: fettle say '/update restart hub'");
});
