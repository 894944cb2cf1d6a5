import { describe, expect, test } from 'vitest';
import { parseConfig } from '../../../config/load.ts';
import { removeChat, setChat } from '../../../src/cli/chats/yaml.ts';

const ALONE = `# yaml-language-server: $schema=./fettle.schema.json
# Fettle's configuration: what is kept up to date on this machine. \`fettle config explain\` says what each key means.

chats:
  # added by \`fettle chats add\`. Undo: fettle chats remove telegram
  telegram: {}
`;

describe('a chat in fettle.yaml', () => {
  test('is a new file, and taken out again there is none', () => {
    expect(setChat('', 'telegram', {})).toBe(ALONE);
    expect(removeChat(ALONE, 'telegram')).toBeNull();
  });

  test.each([
    [
      'without chats',
      '# mine\nlanguage: zh   # Chinese\n\napps:\n    web:   {run: "a  b"}   # odd  spaces\n# the end\n',
    ],
    ['with another chat', 'chats:\n    # the first\n    telegram: {proxy: none}   # kept\n\napps: {}\n'],
    ['with an editInterval alone', 'chats:\n  editInterval: 2s   # slow\nlanguage: en\n'],
    ['without a line break at its end', 'apps:\n  web: {run: a}'],
    ['with comments only', '# nothing here yet\n'],
    ['with windows line ends', 'language: zh\r\napps:\r\n  web: {run: a}\r\n'],
  ])('%s: every other line stays as it is, and removing it gives the same file', (_, text) => {
    const more = setChat(text, 'discord', { guilds: ['123456789012345678'], proxy: undefined });
    expect(parseConfig(more, '/x/fettle.yaml').chats.discord).toEqual({ guilds: ['123456789012345678'] });
    for (const line of text.split('\n').filter((one) => one.trim() !== '')) expect(more).toContain(line);
    expect(removeChat(more, 'discord')?.trim()).toBe(text.trim());
  });

  test.each([['chats:\n'], ['chats: {}\n'], ['chats: {telegram: {}}\n'], ['chats: ~\nlanguage: zh\n']])(
    'chats written as %j',
    (text) => {
      const more = setChat(text, 'feishu', { appId: 'cli_0123456789abcdef' });
      const { chats } = parseConfig(more, '/x/fettle.yaml');
      expect(chats.feishu?.appId).toBe('cli_0123456789abcdef');
      expect(chats.telegram).toEqual(text.includes('telegram') ? {} : undefined);
      expect(parseConfig(removeChat(more, 'feishu') ?? '', '/x/fettle.yaml').chats.feishu).toBeUndefined();
    },
  );

  test('one that is there gets the keys that were said, and keeps the others and its comments', () => {
    const text = 'chats:\n  # ours\n  telegram:\n    proxy: none # no proxy\n    api: http://127.0.0.1:1/\n';
    const more = setChat(text, 'telegram', { api: 'http://127.0.0.1:2/' });
    expect(more).toBe(text.replace(':1/', ':2/'));
    expect(setChat(more, 'telegram', { api: 'http://127.0.0.1:2/' })).toBe(more);
  });

  test('a file that is no YAML is not touched', () => {
    expect(() => setChat('a: [', 'telegram', {})).toThrow();
    expect(() => removeChat('a: [', 'telegram')).toThrow();
  });
});
