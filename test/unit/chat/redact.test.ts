import { describe, expect, test } from 'vitest';
import { createRedactor, HIDDEN } from '../../../src/domain/redact.ts';

const redact = createRedactor();
const a = (n: number) => 'aB3'.repeat(40).slice(0, n);

describe('token shapes', () => {
  test.each([
    ['JWT', 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N'],
    ['GitHub classic', `ghp_${a(36)}`],
    ['GitHub app', `ghs_${a(36)}`],
    ['GitHub fine-grained', `github_pat_${a(60)}`],
    ['GitLab', `glpat-${a(20)}`],
    ['npm', `npm_${a(36)}`],
    ['Slack', 'xoxb-123456789012-abcdefGHIJ'],
    ['AWS key id', 'AKIAIOSFODNN7EXAMPLE'],
    ['Telegram', '123456789:AAF-abcdefghijklmnopqrstuvwxyz01234'],
    ['Discord', 'MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs'],
    ['Feishu tenant token', 't-g1044ghJRUIJJ5ZLPZEWOBRLYD2OSGDF5ZEXAMPLE'],
    ['Stripe', `sk_live_${a(24)}`],
    ['OpenAI-like', `sk-proj-${a(40)}`],
    ['Google', `AIza${a(35)}`],
  ])('%s', (_, token) => {
    expect(redact(`connecting with ${token} now`)).toBe(`connecting with ${HIDDEN} now`);
    expect(redact(token)).toBe(HIDDEN);
    expect(redact(`"${token}",`)).toBe(`"${HIDDEN}",`);
  });

  test('a Telegram token inside an address', () => {
    const text = redact('GET https://api.telegram.org/bot123456789:AAF-abcdefghijklmnopqrstuvwxyz01234/getUpdates');
    expect(text).toBe(`GET https://api.telegram.org/${HIDDEN}/getUpdates`);
  });
});

describe('where a secret stands', () => {
  test.each([
    ['Authorization: Bearer abc.def-123456', 'abc.def-123456'],
    ['authorization: Basic dXNlcjpwYXNzd29yZA==', 'dXNlcjpwYXNzd29yZA'],
    ['"authorization":"token deadbeefcafe"', 'deadbeefcafe'],
    ['curl -H "bearer 0123456789abcdef"', '0123456789abcdef'],
    ['https://me:hunter2@example.com/x', 'hunter2'],
    ['https://oauthtoken@gitee.com/me/bot.git', 'oauthtoken'],
    ['postgres://app:s3cr3t%21@db:5432/x', 's3cr3t'],
    ['password=hunter22', 'hunter22'],
    ['DB_PASSWORD: "hun ter"', 'hun ter'],
    ['{"app_secret": "Wq0000xyz"}', 'Wq0000xyz'],
    ["apiKey = 'k-1234'", 'k-1234'],
    ['DISCORD_TOKEN=abc123', 'abc123'],
    ['//registry.npmjs.org/:_authToken=npmtoken', 'npmtoken'],
    ['set-cookie: session=s%3Aabcdef; Path=/', 's%3Aabcdef'],
    ['https://bucket.s3.amazonaws.com/k?X-Amz-Credential=AK%2F1&X-Amz-Signature=0f0f', '0f0f'],
    ['https://cdn.example/f?Expires=1&Signature=zzz~&Key-Pair-Id=K1', 'zzz~'],
    ['https://example.com/login?token=1234', '1234'],
    ['https://discord.com/api/webhooks/123456/abcdef-ghijkl_1', 'abcdef-ghijkl_1'],
    ['https://open.feishu.cn/open-apis/bot/v2/hook/aaaabbbb-cccc', 'aaaabbbb-cccc'],
  ])('%s', (text, secret) => {
    const result = redact(text);
    expect(result).not.toContain(secret);
    expect(result).toContain(HIDDEN);
  });

  test('PEM blocks: whole, cut at either end, in JSON', () => {
    const body = `${a(64)}\n${a(64)}\n${a(20)}==`;
    const whole = `before\n-----BEGIN PRIVATE KEY-----\n${body}\n-----END PRIVATE KEY-----\nafter`;
    expect(redact(whole)).toBe(`before\n${HIDDEN}\nafter`);
    expect(redact(`-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n${body}`)).toBe(HIDDEN);
    expect(redact(`${body}\n-----END PRIVATE KEY-----\nafter`)).toBe(`${HIDDEN}\nafter`);
    expect(redact(`-----BEGIN PRIVATE KEY-----\n${a(64)}\nthe log goes on here`)).toBe(
      `${HIDDEN}\nthe log goes on here`,
    );
    expect(redact(`{"key":"-----BEGIN PRIVATE KEY-----\\n${a(64)}\\n-----END PRIVATE KEY-----"}`)).not.toContain(a(20));
  });
});

test('what is known is hidden in each spelling', () => {
  const secret = 'p@ss/w"rd wörd';
  const hide = createRedactor({ secrets: [secret, 'abc', ''] });
  const spellings = [
    secret,
    encodeURIComponent(secret),
    JSON.stringify(secret),
    Buffer.from(secret).toString('base64'),
  ];
  for (const spelling of spellings) expect(hide(`x ${spelling} y`)).not.toContain(spelling.slice(1, -2));
  expect(hide('abc is too short to be told from a word')).toContain('abc');
});

test('homes become ~', () => {
  const hide = createRedactor({ homes: ['/srv/fettle', '/'] });
  expect(hide('/srv/fettle/logs/web.log and /srv/fettle-2 and /srv/fettle')).toBe(
    '~/logs/web.log and /srv/fettle-2 and ~',
  );
  expect(redact('/home/jane/bot/index.js:3, /Users/jane, /root/.npmrc')).toBe('~/bot/index.js:3, ~, ~/.npmrc');
  expect(redact('see /homeless/x and https://example.com/home/jane')).toContain('/homeless/x');
});

test('ordinary text stays as it is', () => {
  const text = [
    'web 3.0.1 listening on http://127.0.0.1:8080/health?verbose=1',
    'GET /update/u-7k2m 200 12ms',
    '2026-07-03T14:02:11Z error at Object.<anonymous> (db.js:12:3)',
    'sha256-9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
    'tokens used: many; the secretary left; basic authentication is off',
  ].join('\n');
  expect(redact(text)).toBe(text);
});

test('repeating it changes nothing, and it is quick on anything', () => {
  const nasty = [
    `password="${'a'.repeat(50_000)}`,
    'eyJ'.repeat(20_000),
    '-----BEGIN X-----'.repeat(3_000),
    `${'A'.repeat(60_000)}`,
    'https://'.repeat(8_000),
    'token='.repeat(10_000),
    '.'.repeat(60_000),
    '/root'.repeat(10_000),
  ];
  for (const text of nasty) {
    const began = process.cpuUsage();
    const once = redact(text);
    expect(process.cpuUsage(began).user / 1_000).toBeLessThan(1_500);
    expect(redact(once)).toBe(once);
  }
});
