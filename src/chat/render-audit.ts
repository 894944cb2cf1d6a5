import type { Language, Reply } from '../domain/reply.ts';

/** A device's audit log is not what it should be. */

const TEXT = {
  en: {
    title: (device: string) => `The audit log of ${device} is not the one it was`,
    fork: (n: number) =>
      `From entry ${n} on it says something else than what it told before. The device was put back from a backup, two machines run with one identity, or somebody rewrote its log.`,
    cut: (n: number) =>
      `It ends with entry ${n}, and what it told before goes on. The device was put back from a backup, or somebody cut its log.`,
    gap: (n: number) =>
      `Entries before ${n} are missing. They were put away before this hub heard of them, or somebody removed them.`,
    broken: (n: number) => `Entry ${n} does not fit the one before it: one of them was changed.`,
    next: "`fettle audit verify` on the hub's machine compares it with what this hub did.",
  },
  zh: {
    title: (device: string) => `${device} 的审计日志与以前不一致`,
    fork: (n: number) =>
      `从第 ${n} 条起，内容与它之前上报的不同。可能是设备从备份恢复、两台机器共用一个身份，或日志被改写。`,
    cut: (n: number) => `日志到第 ${n} 条为止，而之前上报的更多。可能是设备从备份恢复，或日志被截断。`,
    gap: (n: number) => `第 ${n} 条之前有缺失。可能在上报之前已被轮换，或被人删除。`,
    broken: (n: number) => `第 ${n} 条与前一条对不上：其中一条被改动过。`,
    next: '在 hub 所在的机器上运行 `fettle audit verify`，可与 hub 的记录核对。',
  },
};

/** Told to the admins once, when the hub notices. */
export function deviceLogCard(
  device: string,
  finding: { readonly what: 'fork' | 'cut' | 'gap' | 'broken'; readonly n: number },
  language: Language,
): Reply {
  const text = TEXT[language];
  return { tone: 'bad', title: text.title(device), text: [text[finding.what](finding.n)], hints: [text.next] };
}
