import { z } from 'zod';
import { FettleError } from '../domain/errors.ts';
import { nameOfPlatform } from '../domain/platform-name.ts';
import type { Field, Reply } from '../domain/reply.ts';
import { trustInWords } from '../domain/trust-text.ts';
import { isFinal } from '../domain/update.ts';
import { newestFirst } from '../domain/version.ts';
import { timeInWords } from '../domain/wall-clock.ts';
import type { AppReport } from '../protocol/messages.ts';
import { autoWord } from './auto.ts';
import { argument, type CommandContext, type CommandResult, defineCommand } from './contract.ts';
import type { AdapterView, DeviceView, UpdateView } from './services.ts';

const EN = {
  title: 'Status',
  app: 'app',
  version: 'version',
  health: 'health',
  address: 'address',
  newest: 'newest',
  auto: 'auto',
  held: 'held at',
  by: (version: string, who: string) => `${version} (by ${who})`,
  skipped: 'skipped',
  warning: 'source',
  lastGood: 'goes back to',
  trust: 'releases',
  blocked: 'failed here',
  device: 'device',
  doing: 'update',
  last: 'last update',
  state: 'state',
  step: 'from → to',
  backup: 'data of backup',
  who: 'asked by',
  when: 'asked',
  outage: 'outage',
  running: 'running',
  chats: 'chats',
  absent: 'not installed',
  lost: (times: number, reason: string) =>
    `${times === 1 ? '1 answer' : `${times} answers`} could not be given where it was asked for (${reason}): \`fettle status\` names the chat`,
  offline: (seen: string) => `offline, last seen ${seen}`,
  online: 'online',
  noApps: 'No device has reported an app yet.',
  noDevices: 'No device is connected.',
  crashing: (times: number, since: string) => `keeps crashing, ${times} times since ${since}`,
  begins: (when: string, relative: string) => `begins by itself at ${when} (${relative})`,
  runs: (app: string, version: string, health: string) => `${app} ${version}: ${health}`,
  notInstalled: (app: string) => `${app} is not installed`,
  connection: {
    connected: (since: string) => `connected since ${since}`,
    unattended: (since: string) => `ready since ${since}`,
    connecting: (since: string) => `connecting since ${since}`,
    failed: (since: string) => `failed since ${since}`,
    stopped: (since: string) => `stopped since ${since}`,
  },
  update: (id: string) => `Update ${id}`,
};
const ZH: typeof EN = {
  title: '状态',
  app: '应用',
  version: '版本',
  health: '健康',
  address: '地址',
  newest: '最新版本',
  auto: '自动更新',
  held: '固定版本',
  by: (version, who) => `${version}（由 ${who} 设置）`,
  skipped: '已跳过',
  warning: '来源',
  lastGood: '可回退到',
  trust: '版本来源',
  blocked: '在此失败过',
  device: '设备',
  doing: '更新',
  last: '上次更新',
  state: '状态',
  step: '从 → 到',
  backup: '备份的数据',
  who: '发起人',
  when: '发起于',
  outage: '中断',
  running: '运行版本',
  chats: '聊天',
  absent: '未安装',
  lost: (times: number, reason: string) =>
    `有 ${times} 条回复无法发到原会话（${reason}）：\`fettle status\` 会列出是哪个会话`,
  offline: (seen) => `离线，上次在线：${seen}`,
  online: '在线',
  noApps: '还没有设备报告任何应用。',
  noDevices: '没有设备连接。',
  crashing: (times, since) => `反复崩溃，自 ${since} 起 ${times} 次`,
  begins: (when, relative) => `将于 ${when} 自动开始（${relative}）`,
  runs: (app, version, health) => `${app} ${version}：${health}`,
  notInstalled: (app) => `${app} 尚未安装`,
  connection: {
    connected: (since) => `自 ${since} 起已连接`,
    unattended: (since) => `自 ${since} 起就绪`,
    connecting: (since) => `自 ${since} 起正在连接`,
    failed: (since) => `自 ${since} 起失败`,
    stopped: (since) => `自 ${since} 起已停止`,
  },
  update: (id) => `更新 ${id}`,
};
const TEXT = { en: EN, zh: ZH };

/** `/update status`: of everything, an app, a device or an update. */
export const status = defineCommand({
  name: 'update status',
  phrases: [
    '状态',
    '更新状态',
    '运行状态',
    '看看状态',
    '查看状态',
    '看状态',
    '现在是什么版本',
    '是什么版本',
    '什么版本',
    '现在什么版本',
    '当前版本',
    '版本号',
    '你怎么样',
    '怎么样了',
    '还好吗',
    'status',
    'how are you',
    'how are you doing',
    'how is it going',
    'how are things',
    'what version',
    'which version',
    'what version is it',
    'what version is running',
    'what version are you',
    'which version is running',
    'version',
  ],
  label: { en: 'Status', zh: '状态' },
  role: 'viewer',
  args: z.object({
    app: argument(z.string().optional(), { kind: 'app', help: { en: 'one app', zh: '某个应用' } }),
    device: argument(z.string().optional(), { kind: 'device', help: { en: 'one device', zh: '某台设备' } }),
    id: argument(z.string().optional(), { kind: 'update', help: { en: 'one update', zh: '某次更新' } }),
  }),
  help: { en: 'Versions, health, running updates, connections', zh: '版本、健康、进行中的更新、连接' },
  examples: [
    { text: '/update status', help: { en: 'of everything', zh: '全部' } },
    { text: '/update status web', help: { en: 'of one app', zh: '某个应用' } },
    { text: '/update status u-7k2m', help: { en: 'of one update', zh: '某次更新' } },
  ],
  async run(context, { app, device, id }): Promise<CommandResult> {
    if (id !== undefined) {
      const update = await context.services.updates.find(id);
      if (!update) throw new FettleError('unknown_update', { data: { id } });
      return { reply: ofUpdate(update, context) };
    }
    const devices = await context.services.devices();
    if (app !== undefined) return { reply: await ofApp(app, devices, context) };
    const meant = devices.filter((one) => device === undefined || one.name === device || one.id === device);
    return { reply: await ofDevices(meant, device === undefined, context) };
  },
});

function ofUpdate(update: UpdateView, context: CommandContext): Reply {
  const { language, words, now } = context;
  const text = TEXT[language];
  const over = isFinal(update.state);
  const step = [update.from, update.to].filter((version) => version !== undefined).join(' → ');
  const outage = update.outcome?.outageMs;
  const detail =
    update.progress?.unit === 'bytes' && update.progress.total !== undefined
      ? ` (${words.bytes(update.progress.done)} / ${words.bytes(update.progress.total)})`
      : '';
  return {
    tone: over ? (update.state === 'succeeded' ? 'good' : 'warn') : 'busy',
    title: `${text.update(update.id)}${language === 'zh' ? '：' : ': '}${update.app}`,
    fields: [
      { name: text.state, value: `${over ? words.outcome(update) : stateOf(update, context)}${detail}` },
      ...(step && update.from !== update.to ? [{ name: text.step, value: step }] : []),
      ...(update.trust ? [{ name: text.trust, value: trustInWords(update.trust, language) }] : []),
      ...(update.backup === undefined ? [] : [{ name: text.backup, value: `${update.app}/${update.backup}` }]),
      ...(over && outage !== undefined ? [{ name: text.outage, value: words.duration(outage) }] : []),
      { name: text.who, value: update.requestedByName },
      { name: text.when, value: words.relative(update.requestedAt, now) },
      { name: text.device, value: update.device },
    ],
    hints: [over ? `/update logs ${update.id}` : `/update cancel ${update.id}`],
  };
}

async function ofApp(app: string, devices: readonly DeviceView[], context: CommandContext): Promise<Reply> {
  const { language, words, now, services } = context;
  const text = TEXT[language];
  const [known, choice, [active], [past]] = await Promise.all([
    services.known(app),
    services.choices.of(app),
    services.updates.active(app),
    services.updates.history(app, 1),
  ]);
  const found = devices.flatMap((device) =>
    device.apps.filter((report) => report.app === app).map((report) => ({ device, report })),
  );
  const installed = found.filter(({ report }) => report.version !== undefined);
  const [first] = installed;
  const { warning } = known.offer;
  const shared: Field[] = [
    ...(known.newest ? [{ name: text.newest, value: known.newest.version }] : []),
    { name: text.auto, value: autoWord({ ...choice, pinned: undefined }, language) },
    ...(choice.pinned === undefined
      ? []
      : [{ name: text.held, value: choice.pinnedBy ? text.by(choice.pinned, choice.pinnedBy) : choice.pinned }]),
    ...(choice.skipped.length > 0 ? [{ name: text.skipped, value: newestFirst(choice.skipped).join(', ') }] : []),
    ...(warning ? [{ name: text.warning, value: words.problem(warning.code, warning.data).text }] : []),
    ...(active
      ? [
          {
            name: text.doing,
            value: `${active.id}: ${[stepOf(active), stateOf(active, context)].filter((part) => part !== '').join(', ')}`,
          },
        ]
      : []),
    ...(past ? [{ name: text.last, value: lastUpdate(past, context) }] : []),
  ];
  if (!first) return { tone: 'info', title: text.notInstalled(app), fields: shared, hints: [`/update now ${app}`] };
  if (installed.length > 1) {
    return {
      tone: 'info',
      title: app,
      table: {
        columns: [text.device, text.version, text.health, text.trust],
        rows: installed.map(({ device, report }) => [
          device.name,
          report.version ?? text.absent,
          device.connected ? healthWord(report, context) : text.offline(words.relative(device.lastSeenAt, now)),
          trustWord(report, context),
        ]),
      },
      fields: shared,
    };
  }
  const { device, report } = first;
  const health = device.connected ? healthWord(report, context) : text.offline(words.relative(device.lastSeenAt, now));
  return {
    tone: device.connected && report.health === 'healthy' && !report.crashing ? 'good' : active ? 'busy' : 'warn',
    title: text.runs(app, report.version ?? '', health),
    fields: [
      ...(report.address ? [{ name: text.address, value: report.address }] : []),
      ...(report.lastGood && report.lastGood !== report.version
        ? [{ name: text.lastGood, value: report.lastGood }]
        : []),
      ...(report.trust ? [{ name: text.trust, value: trustWord(report, context) }] : []),
      ...(report.blocked.length > 0 ? [{ name: text.blocked, value: report.blocked.join(', ') }] : []),
      ...shared,
    ],
  };
}

/** `1.0.0 → 1.2.0: rolled back: …, 3 min ago`. */
function lastUpdate(past: UpdateView, { words, now }: CommandContext): string {
  const step = [past.from, past.to].filter((version) => version !== undefined).join(' → ');
  const end = words.relative(past.endedAt ?? past.stateAt, now);
  if (past.kind === 'restore') return `${past.app}/${past.backup ?? '?'}: ${words.outcome(past)} (${end}, ${past.id})`;
  return `${step && past.kind !== 'restart' ? `${step}: ` : ''}${words.outcome(past)} (${end}, ${past.id})`;
}

async function ofDevices(devices: readonly DeviceView[], all: boolean, context: CommandContext): Promise<Reply> {
  const { language, words, now, services } = context;
  const text = TEXT[language];
  const [active] = await Promise.all([services.updates.active()]);
  const several = devices.length > 1;
  const rows = devices.flatMap((device) =>
    device.apps.map((report) => [
      ...(several ? [device.name] : []),
      report.app,
      report.version ?? text.absent,
      device.connected ? healthWord(report, context) : text.offline(words.relative(device.lastSeenAt, now)),
      trustWord(report, context),
      report.address ?? '',
    ]),
  );
  const isDown = ({ state }: AdapterView) => state !== 'connected' && state !== 'unattended';
  // The terminal is always there: it is worth a word only where it is not.
  const chats = services.adapters().filter((chat) => !chat.own || isDown(chat));
  const down = chats.filter(isDown);
  const states = await Promise.all((all ? chats : []).map((chat) => stateWithLost(chat, context)));
  const ill = devices.some(
    (d) => !d.connected || d.apps.some((r) => r.version !== undefined && (r.health !== 'healthy' || r.crashing)),
  );
  return {
    tone: active.length > 0 ? 'busy' : ill || down.length > 0 ? 'warn' : 'good',
    title: all ? text.title : `${devices[0]?.name ?? text.device}: ${deviceState(devices[0], context)}`,
    ...(devices.length === 0 ? { text: [text.noDevices] } : rows.length === 0 ? { text: [text.noApps] } : {}),
    ...(rows.length > 0
      ? {
          table: {
            columns: [...(several ? [text.device] : []), text.app, text.version, text.health, text.trust, text.address],
            rows,
          },
        }
      : {}),
    fields: [
      ...active.map((update) => ({
        name: update.id,
        value: `${update.app} ${stepOf(update)}: ${stateOf(update, context)}`.replace(' :', ':'),
      })),
      ...states.map(({ platform, value }) => ({ name: nameOfPlatform(platform, context.language), value })),
    ],
  };
}

/** What an app that keeps crashing is at this moment says little. */
function healthWord({ health, crashing }: AppReport, context: CommandContext): string {
  const { language, words } = context;
  if (!crashing) return words.health(health);
  return TEXT[language].crashing(crashing.times, clock(crashing.since, context));
}

/** How far its releases are trusted there. */
function trustWord({ trust }: AppReport, { language }: CommandContext): string {
  return trust ? trustInWords(trust, language) : '';
}

function stepOf({ kind, from, to }: UpdateView): string {
  if (kind === 'restart') return '';
  return (from === to ? [to] : [from, to]).filter((version) => version !== undefined).join(' → ');
}

/** Where it stands; one that begins by itself says when. */
function stateOf(update: UpdateView, context: CommandContext): string {
  const { words, now, language } = context;
  if (update.beginsAt === undefined) return words.state(update.state);
  return TEXT[language].begins(clock(update.beginsAt, context), words.relative(update.beginsAt, now));
}

/** Since when it is how it is; what is wrong, and what to do about it. */
function chatState(chat: AdapterView, context: CommandContext): string {
  const { platform, state, since, problem, lastError } = chat;
  const head = TEXT[context.language].connection[state](clock(since, context));
  if (!problem && (state === 'connected' || state === 'unattended')) return head;
  if (!problem) return `${head}${lastError ? ` (${lastError})` : ''}`;
  const { text, next } = context.words.problem(problem.code, { platform, ...problem.data });
  return context.language === 'zh'
    ? `${head}。${text}${next ?? ''}`
    : [`${head}.`, text, next].filter((part) => part).join(' ');
}

/** Which chats those are is nobody's business here: `fettle status` names them. */
async function stateWithLost(chat: AdapterView, context: CommandContext) {
  const { platform } = chat;
  const state = chatState(chat, context);
  const lost = await context.services.lostAnswers(platform);
  const [newest] = lost;
  if (!newest) return { platform, value: state };
  const times = lost.reduce((sum, one) => sum + one.times, 0);
  const end = context.language === 'zh' ? '。' : '. ';
  return {
    platform,
    value: `${state}${/[.。]$/.test(state) ? '' : end}${TEXT[context.language].lost(times, newest.reason)}`,
  };
}

function clock(at: number, { services, now }: CommandContext): string {
  return timeInWords(at, now, services.preferences.current().timezone);
}

function deviceState(device: DeviceView | undefined, { language, words, now }: CommandContext): string {
  const text = TEXT[language];
  if (!device) return text.noDevices;
  return device.connected ? text.online : text.offline(words.relative(device.lastSeenAt, now));
}
