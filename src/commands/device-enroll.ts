import { z } from 'zod';
import { readLabel } from '../domain/device.ts';
import { readDuration } from '../domain/duration.ts';
import { FettleError } from '../domain/errors.ts';
import { isPrivate } from '../domain/reply.ts';
import { argument, defineCommand } from './contract.ts';

const TEXT = {
  en: {
    title: (name: string | undefined, count: number) =>
      count > 1 ? `A line for ${count} devices` : name === undefined ? 'A line for one device' : `A line for ${name}`,
    paste: 'Paste it into a shell of the device. Leave out its sudo for a Fettle of your own user alone.',
    until: (ahead: string, count: number) =>
      count > 1 ? `It is good for ${count} devices, ${ahead} at the latest.` : `It works once, ${ahead} at the latest.`,
    gone: 'The line was for one reading and is not kept: /device enroll gives another.',
    secret: 'Whoever has it can join as a device: give it to nobody else.',
    loopback:
      "Only this machine can reach the hub: for other devices set hub.listen with hub.tls, or hub.publicUrl, in the hub's file.",
  },
  zh: {
    title: (name: string | undefined, count: number) =>
      count > 1
        ? `供 ${count} 台设备使用的命令`
        : name === undefined
          ? '供一台设备使用的命令'
          : `供 ${name} 使用的命令`,
    paste: '粘贴到设备的终端里执行。去掉其中的 sudo，则只为当前用户安装 Fettle。',
    until: (ahead: string, count: number) =>
      count > 1 ? `可供 ${count} 台设备使用，最晚 ${ahead}。` : `只能用一次，最晚 ${ahead}。`,
    gone: '这条命令只显示一次，不予保留：请用 /device enroll 重新生成。',
    secret: '谁有这条命令，谁就能作为设备加入：不要给别人。',
    loopback:
      '目前只有本机能访问 hub：要让其他设备加入，请在 hub 的配置中设置 hub.listen 和 hub.tls，或 hub.publicUrl。',
  },
};

const SHORTEST_MS = 60_000;
const LONGEST_MS = 30 * 24 * 60 * 60_000;
const MOST = 1_000;

/** `/device enroll`: one line, by which a device joins, or a fleet. */
export const deviceEnroll = defineCommand({
  name: 'device enroll',
  aliases: ['device enrol', 'device add'],
  phrases: ['添加设备', 'add a device'],
  role: 'admin',
  args: z.object({
    name: argument(z.string().optional(), {
      kind: 'text',
      label: 'name',
      help: { en: 'what it is to be called; as its host, unless given', zh: '设备名；省略则用主机名' },
    }),
    count: argument(z.coerce.number().int().min(1).max(MOST).default(1), {
      kind: 'option',
      label: 'n',
      help: { en: 'one line for so many devices, 1 unless given', zh: '一条命令供多少台设备使用，默认 1' },
    }),
    for: argument(z.string().default('10m'), {
      kind: 'option',
      label: 'time',
      help: { en: 'how long it may be used, such as 24h; 10m unless given', zh: '有效期，例如 24h；默认 10m' },
    }),
    label: argument(z.string().optional(), {
      kind: 'option',
      label: 'k=v',
      many: true,
      help: { en: 'a label that they get; may be given again', zh: '加上的标签，可重复' },
    }),
  }),
  help: {
    en: 'Gives one line to paste on a device, which joins by it; in direct messages and the terminal only',
    zh: '生成一行命令，在设备上执行即可加入；仅限私聊和终端',
  },
  examples: [
    { text: '/device enroll robot-7', help: { en: 'one device', zh: '一台设备' } },
    {
      text: '/device enroll --count 40 --for 24h --label site=lab',
      help: { en: 'a fleet, names from host names', zh: '一批设备，名字取自主机名' },
    },
  ],
  async run(context, asked) {
    const { services, language, words, now, route, direct } = context;
    const text = TEXT[language];
    const bad = (reason: string) => new FettleError('bad_arguments', { data: { reason } });
    const forMs = readDuration(asked.for);
    if (forMs === undefined || forMs < SHORTEST_MS || forMs > LONGEST_MS)
      throw bad(`--for takes a time from 1m to 30d, such as 24h, and not ${asked.for.slice(0, 20)}`);
    const labels: Record<string, string> = {};
    for (const word of asked.label?.split(',') ?? []) {
      const label = readLabel(word);
      if (!label || label.value === '')
        throw bad(`--label takes key=value, such as site=lab, and not ${word.slice(0, 40)}`);
      labels[label.key] = label.value;
    }
    const wanted = { name: asked.name, count: asked.count, forMs, labels };
    const made = await services.fleet.invite(wanted, context, direct || isPrivate(route));
    return {
      reply: {
        tone: 'info',
        title: text.title(asked.name, asked.count),
        text: [
          text.paste,
          text.until(words.relative(made.expiresAt, now), asked.count),
          text.secret,
          ...(made.loopbackOnly ? [text.loopback] : []),
        ],
        code: made.line,
        hints: ['/device list'],
        once: { until: made.expiresAt, afterwards: text.gone },
      },
    };
  },
});
