import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { registerFeishu } from '../../adapters/feishu/index.ts';
import { checkCredentials, createPlatformAdapter, type PlatformName } from '../../adapters/index.ts';
import { FakeSink } from '../contract/adapter.ts';
import { depsOf } from '../support/feishu/hub.ts';
import { until } from '../support/until.ts';

/** A redirect, of a platform or of what stands in its place, takes no secret anywhere else. */

let here: Server;
let elsewhere: Server;
let asked = 0;
const taken: string[] = [];
const addressOf = (server: Server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const listen = (server: Server) => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

let status = 307;
beforeAll(async () => {
  elsewhere = createServer((request, response) => {
    taken.push(`${request.method} ${request.url}`);
    response.end('{}');
  });
  await listen(elsewhere);
  here = createServer((request, response) => {
    asked += 1;
    response.writeHead(status, { location: `${addressOf(elsewhere)}${request.url}` }).end();
  });
  await listen(here);
});
afterAll(() => {
  here.close();
  elsewhere.close();
});

const SECRETS: Readonly<Record<PlatformName, string>> = {
  telegram: `123456789:${'x'.repeat(35)}`,
  discord: `${Buffer.from('123456789012345678').toString('base64url')}.Gabcde.${'x'.repeat(32)}`,
  feishu: 'secretsecretsecret',
};
const settingsOf = (name: PlatformName) => ({
  secret: { found: true, value: SECRETS[name] } as const,
  api: addressOf(here),
  appId: 'cli_0123456789abcdef',
});

test.each(
  (['telegram', 'discord', 'feishu'] as const).flatMap((name) =>
    [301, 302, 307, 308].map((code) => [name, code] as const),
  ),
)(
  '%s, %i: not followed',
  async (name, code) => {
    status = code;
    const deps = depsOf(() => undefined);
    asked = 0;
    const { bot, problems } = await checkCredentials(name, settingsOf(name), deps, AbortSignal.timeout(20_000));
    expect(bot).toBeUndefined();
    expect(problems).toHaveLength(1);
    const adapter = await createPlatformAdapter(name, settingsOf(name), deps);
    const before = asked;
    await adapter.start(new FakeSink());
    await until('the adapter to ask', () => asked > before);
    await adapter.send({
      key: 'k',
      route: { platform: name, chat: '1' },
      reply: { tone: 'info', title: 'x' },
      final: true,
      failed: false,
    });
    await adapter.stop();
    expect(asked).toBeGreaterThan(1);
    expect(taken).toEqual([]);
  },
  40_000,
);

test('nor where Feishu is asked to make an app', async () => {
  status = 307;
  asked = 0;
  const made = registerFeishu({ domain: addressOf(here), onQr: () => undefined, signal: AbortSignal.timeout(20_000) });
  await expect(made).rejects.toMatchObject({ code: 'chat_unreachable' });
  expect(asked).toBe(1);
  expect(taken).toEqual([]);
}, 30_000);
