import type { Language } from './reply.ts';

/** What stands for an argument where it is told how a command is written: `/admin add PERSON`, `[app][@version]`. */
const CHINESE: Readonly<Record<string, string>> = {
  ACCOUNT: '账号',
  ARGUMENTS: '参数',
  CODE: '码',
  COMMAND: '命令',
  KEY: '设置项',
  NAME: '名字',
  PERSON: '人员',
  TIME: '时间',
  TOOL: '工具',
  VALUE: '值',
  app: '应用',
  device: '设备',
  update: '更新号',
  version: '版本',
};

/**
 * A usage in the reader's language. Names of commands, flags and values (`viewer|operator`) stay as they are typed: of
 * small words, only those in brackets stand for something.
 */
export function usageIn(language: Language, usage: string): string {
  if (language !== 'zh') return usage;
  return usage
    .replace(/(?<![\w-])[A-Z]+(?![\w-])/g, (word) => CHINESE[word] ?? word)
    .replace(/(?<=\[(?:@|on )?)[a-z]+(?=\/?\])/g, (word) => CHINESE[word] ?? word);
}
