import type { Language } from './reply.ts';

const NAMES: Readonly<Record<string, string>> = {
  feishu: 'Feishu',
  discord: 'Discord',
  telegram: 'Telegram',
  terminal: 'the terminal',
};

const CHINESE: Readonly<Record<string, string>> = { feishu: '飞书', terminal: '终端' };

/** A chat platform as people call it. Pure. */
export function nameOfPlatform(platform: string, language: Language = 'en'): string {
  return (language === 'zh' ? CHINESE[platform] : undefined) ?? NAMES[platform] ?? platform;
}
