import { expect, test } from 'vitest';
import { ChatsSchema } from '../../../config/chat-schema.ts';

const said = (address: string) => {
  const found = ChatsSchema.safeParse({
    telegram: { api: address },
    discord: { api: address },
    feishu: { appId: 'cli_1', domain: address },
  });
  return found.success ? undefined : found.error.issues.length;
};

test.each([
  'https://api.telegram.org',
  'http://127.0.0.1:8081',
  'http://localhost:8081',
  'http://[::1]:8081',
  'http://10.1.2.3',
  'http://192.168.0.9:80',
  'http://172.20.0.2',
  'http://telegram-bot-api:8081',
  'http://bots.internal',
  'http://nas.local',
])('%s is taken', (address) => expect(said(address)).toBeUndefined());

test.each([
  'http://api.telegram.org',
  'http://discord.com/api',
  'http://open.feishu.cn',
  'http://1.2.3.4',
  'http://127.0.0.1.example.org',
  'http://10.example.org',
  'http://172.32.0.1',
  'http://localhost.example.org',
  'http://[2001:db8::1]',
  'ftp://127.0.0.1',
])('%s is not: the secret would be readable on its way', (address) => expect(said(address)).toBe(3));
