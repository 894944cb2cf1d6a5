import { z } from 'zod';
import { roleAllows } from '../domain/app.ts';
import { FettleError } from '../domain/errors.ts';
import { toolIsGood, toolReply } from '../domain/tool-reply.ts';
import type { ToolReport } from '../protocol/messages.ts';
import { argument, type CommandContext, type CommandResult, defineCommand } from './contract.ts';
import { nearestOf } from './read-arguments.ts';
import type { ToolsOfDevice } from './tools-services.ts';

const EN = {
  title: 'Tools of the devices',
  none: 'No device that this hub has heard of names any tool. A device names them in its own file, under `tools:`.',
  columns: ['device', 'tool', 'arguments', 'who'],
  hint: '/device run TOOL ARGUMENTS on DEVICE',
  later: (tool: string, device: string) => `${tool} runs on ${device}`,
  told: 'It takes longer. How it ends is told here.',
};
const ZH: typeof EN = {
  title: '设备上的工具',
  none: '已知的设备都没有声明工具。设备在自己的文件的 `tools:` 下声明。',
  columns: ['设备', '工具', '参数', '角色'],
  hint: '/device run 工具 参数 on 设备',
  later: (tool, device) => `${tool} 正在 ${device} 上运行`,
  told: '需要更长时间。结束后会在这里告知。',
};
const TEXT = { en: EN, zh: ZH };
const USAGE = '/device run TOOL [ARGUMENTS] [on DEVICE]';

/** `/device run`: a program that a device's own file names. */
export const deviceRun = defineCommand({
  name: 'device run',
  aliases: ['device tools'],
  label: { en: 'Run a tool', zh: '运行工具' },
  role: 'operator',
  args: z.object({
    what: argument(z.string().max(1_000).optional(), {
      kind: 'text',
      label: 'tool arguments',
      help: {
        en: 'a tool that the device’s file names, its arguments, and `on` with the device where several have it; alone: which tools there are',
        zh: '设备文件声明的工具、参数，多台设备时加 `on 设备`；省略则列出所有工具',
      },
    }),
  }),
  help: { en: 'Runs a tool that a device’s own file names', zh: '运行设备自己的文件声明的工具' },
  examples: [
    { text: '/device run', help: { en: 'which tools there are', zh: '列出工具' } },
    { text: '/device run restart-camera', help: { en: 'on the only device that has it', zh: '在唯一有它的设备上' } },
    {
      text: '/device run show-log robot.log on robot-7',
      help: { en: 'with an argument, on one of several', zh: '带参数，在指定设备上' },
    },
  ],
  async run(context, { what }) {
    const { services, who, route, eventId } = context;
    const begun = await services.tools.begun({ who, route, eventId });
    // The device may not have told yet what it has.
    if (begun) return run(context, begun.device, begun.tool, begun.args);
    const known = await services.tools.list();
    const words = (what ?? '').split(' ').filter((word) => word !== '');
    if (words.length === 0) return { reply: listReply(context, known) };
    const named = words.length >= 3 && words.at(-2)?.toLowerCase() === 'on' ? words.at(-1) : undefined;
    const [tool = '', ...args] = named === undefined ? words : words.slice(0, -2);
    const { device, report } = find(known, tool, named);
    if (report?.role === 'admin' && !roleAllows(context.role, 'admin')) {
      throw new FettleError('not_allowed', { data: { needed: 'admin', has: context.role } });
    }
    return run(context, device, tool, args);
  },
});

async function run(
  context: CommandContext,
  device: { readonly id: string; readonly name: string },
  tool: string,
  args: readonly string[],
): Promise<CommandResult> {
  const { services, who, route, eventId, language, signal } = context;
  const text = TEXT[language];
  const asker = { who, route, eventId };
  const role = roleAllows(context.role, 'admin') ? 'admin' : 'operator';
  const ended = await services.tools.run({ device, tool, args, asker, language, role }, signal);
  if (ended === 'later') {
    return { reply: { tone: 'busy', title: text.later(tool, device.name), text: [text.told] } };
  }
  return { reply: toolReply({ ...ended, device: device.name }, language), failed: !toolIsGood(ended) };
}

/** @throws {FettleError} `bad_arguments` where it is not clear which device, or there is no such one · `capability_denied` · `tools_unknown` */
function find(known: readonly ToolsOfDevice[], tool: string, named: string | undefined) {
  const reportOf = (device: ToolsOfDevice) => device.tools?.find(({ name }) => name === tool);
  const wanted = named?.toLowerCase();
  const fitting = known.filter((device) =>
    wanted === undefined ? reportOf(device) : device.name.toLowerCase() === wanted || device.id === wanted,
  );
  const [device, ...others] = fitting;
  if (!device && named !== undefined) {
    throw new FettleError('bad_arguments', {
      data: {
        ...{ command: 'device run', usage: USAGE, problem: 'not_a_value', what: 'device', value: named.slice(0, 40) },
        nearest: nearestOf(
          wanted ?? '',
          known.map(({ name }) => name),
        ),
      },
    });
  }
  if (!device) {
    const near = nearestOf(tool, [...new Set(known.flatMap(({ tools = [] }) => tools.map(({ name }) => name)))]);
    const silent = known.filter(({ tools }) => tools === undefined).map(({ name }) => name);
    if (near.length === 0 && silent.length > 0) {
      // Nobody can say yet that there is no such tool.
      const devices = silent.slice(0, 5).join(', ');
      throw new FettleError('tools_unknown', { data: { tool: tool.slice(0, 40), devices }, retryable: true });
    }
    // What no device names does not exist; asking one of them would only say so again.
    const meant = near.length > 0 ? ` (${near.join(', ')}?)` : '';
    throw new FettleError('capability_denied', {
      data: { app: tool.slice(0, 40), what: `the tool ${tool.slice(0, 40)}${meant}` },
    });
  }
  if (others.length > 0) {
    const fits = fitting.map(({ name }) => `on ${name}`).slice(0, 10);
    throw new FettleError('bad_arguments', { data: { command: 'device run', usage: USAGE, problem: 'several', fits } });
  }
  return { device, report: reportOf(device) };
}

function listReply({ language }: CommandContext, known: readonly ToolsOfDevice[]) {
  const text = TEXT[language];
  const rows = known.flatMap((device) =>
    (device.tools ?? []).map((tool) => [
      device.name,
      tool.name,
      tool.args.map(argumentWord).join(' ') || '–',
      tool.role,
    ]),
  );
  if (rows.length === 0) return { tone: 'info' as const, title: text.title, text: [text.none] };
  return { tone: 'info' as const, title: text.title, table: { columns: text.columns, rows }, hints: [text.hint] };
}

function argumentWord({ name, optional, expected }: ToolReport['args'][number]): string {
  const word = `${name} (${expected})`;
  return optional ? `[${word}]` : word;
}
