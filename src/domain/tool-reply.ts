import type { Language, Reply } from './reply.ts';

/** How a tool of a device ended, as a card: the same where it is waited for and where it comes later. Pure. */

export interface EndedTool {
  readonly tool: string;
  /** Name of the device. */
  readonly device: string;
  /** Exit code; null where a signal ended it. */
  readonly code?: number | null | undefined;
  readonly timedOut?: boolean | undefined;
  /** Redacted by the device. */
  readonly output: string;
  readonly cut?: boolean | undefined;
  readonly ms: number;
}

const EN = {
  title: (tool: string, device: string, good: boolean) =>
    good ? `${tool} on ${device}: done` : `${tool} on ${device}: failed`,
  code: (code: number, s: string) => `It ended with status ${code} after ${s} s.`,
  signal: (s: string) => `It was ended by a signal after ${s} s.`,
  timedOut: (s: string) => `It did not end in its time and was killed after ${s} s, with all that it had started.`,
  cut: 'Only the end of its output is shown.',
  silent: 'It printed nothing.',
};
const ZH: typeof EN = {
  title: (tool, device, good) => (good ? `${device} 上的 ${tool}：完成` : `${device} 上的 ${tool}：失败`),
  code: (code, s) => `${s} 秒后结束，状态码 ${code}。`,
  signal: (s) => `${s} 秒后被信号终止。`,
  timedOut: (s) => `未在限定时间内结束，${s} 秒后连同它启动的进程一起被终止。`,
  cut: '只显示输出的末尾。',
  silent: '没有输出。',
};
const TEXT = { en: EN, zh: ZH };

/** Did it do what it was to do? */
export function toolIsGood({ code, timedOut }: Pick<EndedTool, 'code' | 'timedOut'>): boolean {
  return code === 0 && timedOut !== true;
}

export function toolReply(ended: EndedTool, language: Language): Reply {
  const text = TEXT[language];
  const seconds = (ended.ms / 1_000).toFixed(1);
  const good = toolIsGood(ended);
  const output = ended.output.trimEnd();
  const how = ended.timedOut
    ? text.timedOut(seconds)
    : typeof ended.code === 'number'
      ? text.code(ended.code, seconds)
      : text.signal(seconds);
  return {
    tone: good ? 'good' : 'bad',
    title: text.title(ended.tool, ended.device, good),
    text: [how, ...(ended.cut ? [text.cut] : []), ...(output === '' ? [text.silent] : [])],
    ...(output === '' ? {} : { code: output }),
  };
}
