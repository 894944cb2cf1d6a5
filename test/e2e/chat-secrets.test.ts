import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { type Home, makeHome } from '../support/home.ts';
import { until } from '../support/until.ts';

/**
 * The shipped commands with chats behind somebody who answers each request with what was asked, as pages of gateways do:
 * addresses and headers have tokens in them, and none may be shown or kept.
 */

const TELEGRAM = `123456789:${'Telegram-secret-of-35-characters___'}`;
const DISCORD = `${Buffer.from('123456789012345678').toString('base64url')}.Gabcde.${'Discord-secret-of-the-bot-here-0'}`;
const FEISHU = 'feishu-secret-of-the-app';
const PROXY = 'pass-of-the-proxy';

let home: Home;
let echo: Server;
const asked: string[] = [];

async function wholeOf(request: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of request) body += String(chunk);
  return `${request.method} ${request.url} ${JSON.stringify(request.headers)} ${body}`;
}

beforeAll(async () => {
  echo = createServer(async (request, response) => {
    const whole = await wholeOf(request);
    asked.push(whole);
    response.writeHead(400, { 'content-type': 'application/json' });
    // As each platform refuses.
    const refusal = { ok: false, error_code: 400, description: whole, code: 190_001, msg: whole, message: whole };
    response.end(JSON.stringify(refusal));
  });
  echo.on('connect', (request: IncomingMessage, socket) => {
    const whole = `${request.url} ${JSON.stringify(request.headers)}`;
    asked.push(whole);
    socket.end(`HTTP/1.1 407 ${whole.replace(/[^ -~]/g, '')}\r\ncontent-length: 0\r\n\r\n`);
  });
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
  const address = `127.0.0.1:${(echo.address() as AddressInfo).port}`;
  home = makeHome();
  Object.assign(home.env, {
    FETTLE_TELEGRAM_TOKEN: TELEGRAM,
    FETTLE_DISCORD_TOKEN: DISCORD,
    FETTLE_FEISHU_SECRET: FEISHU,
  });
  const chats = {
    telegram: { api: `http://${address}` },
    discord: { api: `http://${address}/api`, proxy: `http://ann:${PROXY}@${address}` },
    feishu: { domain: `http://${address}`, appId: 'cli_0123456789abcdef' },
  };
  writeFileSync(home.layout.config, stringify({ chats, apps: { web: { run: 'sleep 1000' } } }));
  const up = await home.fettle(['up', '--detach']);
  expect(`${up.err}${up.out}`).not.toContain('secret-of');
}, 60_000);
afterAll(async () => {
  await home?.close();
  echo?.close();
});

/** Every file of the home but those that were given. */
function files(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => !name.includes('slots/') && !name.includes('releases/'))
    .map((name) => join(folder, name))
    .filter((path) => path !== home.layout.config && statSync(path, { throwIfNoEntry: false })?.isFile() === true);
}

const SECRETS = [TELEGRAM, DISCORD, FEISHU, PROXY].flatMap((secret) => [
  secret.slice(-20),
  Buffer.from(secret).toString('base64').slice(0, 16),
]);
SECRETS.push(Buffer.from(`ann:${PROXY}`).toString('base64'));

test('no secret is in what any command prints, in a log or in the database', { timeout: 120_000 }, async () => {
  const heard = (part: string) => asked.some((one) => one.includes(part));
  await until(
    'each platform to be asked',
    () => heard(TELEGRAM) && heard(FEISHU) && heard('proxy-authorization'),
    30_000,
  );
  const printed: Record<string, string> = {};
  for (const line of [
    'status',
    'status --json',
    'doctor',
    'doctor --json',
    'chats',
    'chats --json',
    'config check',
    'config explain chats.discord.proxy',
    'config explain chats',
    'config explain chats --json',
    'say /update status',
    'say /admin list',
    'chats test telegram --wait 3',
    'chats test discord --wait 3',
    'chats test feishu --wait 3',
  ]) {
    const [name = '', ...rest] = line.split(' ');
    const args = name === 'say' ? [name, rest.join(' ')] : [name, ...rest];
    const { out, err } = await home.fettle(args);
    printed[line] = `${out}${err}`;
  }
  expect(printed.doctor).toMatch(/Telegram/);
  expect(printed['say /update status']).toMatch(/Telegram/i);
  const kept = Object.fromEntries(files(home.layout.home).map((path) => [path, readFileSync(path, 'latin1')]));
  expect(Object.keys(kept).length).toBeGreaterThan(5);
  for (const [where, text] of Object.entries({ ...printed, ...kept }))
    for (const secret of SECRETS)
      if (text.includes(secret)) throw new Error(`${where} shows ${secret}:\n${around(text, secret)}`);
});

const around = (text: string, part: string) =>
  text.slice(Math.max(0, text.indexOf(part) - 300), text.indexOf(part) + 60);
