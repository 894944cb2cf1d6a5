const NAMES: Readonly<Record<string, string>> = {
  feishu: 'Feishu',
  discord: 'Discord',
  telegram: 'Telegram',
  terminal: 'the terminal',
};

/** A chat platform as people call it. Pure. */
export function nameOfPlatform(platform: string): string {
  return NAMES[platform] ?? platform;
}
