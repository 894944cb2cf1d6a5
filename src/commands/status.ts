import { z } from 'zod';
import { FettleError } from '../domain/errors.ts';
import type { Field, Reply } from '../domain/reply.ts';
import { isFinal } from '../domain/update.ts';
import { newestFirst } from '../domain/version.ts';
import type { AppReport } from '../protocol/messages.ts';
import { autoWord } from './auto.ts';
import { argument, type CommandContext, type CommandResult, defineCommand } from './contract.ts';
import type { DeviceView, UpdateView } from './services.ts';

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
  offline: (seen: string) => `offline, last seen ${seen}`,
  online: 'online',
  noApps: 'No device has reported an app yet.',
  noDevices: 'No device is connected.',
  crashing: (times: number, since: string) => `keeps crashing, ${times} times since ${since} UTC`,
  runs: (app: string, version: string, health: string) => `${app} ${version}: ${health}`,
  notInstalled: (app: string) => `${app} is not installed`,
  connection: { connecting: 'connecting', failed: 'failed', stopped: 'stopped' },
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
  offline: (seen) => `离线，上次在线：${seen}`,
  online: '在线',
  noApps: '还没有设备报告任何应用。',
  noDevices: '没有设备连接。',
  crashing: (times, since) => `反复崩溃，自 ${since}（UTC）起 ${times} 次`,
  runs: (app, version, health) => `${app} ${version}：${health}`,
  notInstalled: (app) => `${app} 尚未安装`,
  connection: { connecting: '连接中', failed: '失败', stopped: '已停止' },
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

function ofUpdate(update: UpdateView, { language, words, now }: CommandContext): Reply {
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
    title: `${text.update(update.id)}: ${update.app}`,
    fields: [
      { name: text.state, value: `${over ? words.outcome(update) : words.state(update.state)}${detail}` },
      ...(step && update.from !== update.to ? [{ name: text.step, value: step }] : []),
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
    ...(active ? [{ name: text.doing, value: `${active.id}: ${words.state(active.state)}` }] : []),
    ...(past ? [{ name: text.last, value: lastUpdate(past, context) }] : []),
  ];
  if (!first) return { tone: 'info', title: text.notInstalled(app), fields: shared, hints: [`/update now ${app}`] };
  if (installed.length > 1) {
    return {
      tone: 'info',
      title: app,
      table: {
        columns: [text.device, text.version, text.health],
        rows: installed.map(({ device, report }) => [
          device.name,
          report.version ?? text.absent,
          device.connected ? healthWord(report, context) : text.offline(words.relative(device.lastSeenAt, now)),
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
      report.address ?? '',
    ]),
  );
  const down = services.adapters().filter(({ state }) => state !== 'connected' && state !== 'unattended');
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
            columns: [...(several ? [text.device] : []), text.app, text.version, text.health, text.address],
            rows,
          },
        }
      : {}),
    fields: [
      ...active.map((update) => ({
        name: update.id,
        value: `${update.app} ${[update.from, update.to].filter(Boolean).join(' → ')}: ${words.state(update.state)}`,
      })),
      ...(all ? down : []).map(({ platform, state, since, lastError }) => ({
        name: platform,
        value: `${state in text.connection ? text.connection[state as keyof typeof text.connection] : state}, ${words.relative(since, now)}${lastError ? ` (${lastError})` : ''}`,
      })),
    ],
  };
}

/** What an app that keeps crashing is at this moment says little. */
function healthWord({ health, crashing }: AppReport, { language, words }: CommandContext): string {
  if (!crashing) return words.health(health);
  return TEXT[language].crashing(crashing.times, new Date(crashing.since).toISOString().slice(11, 16));
}

function deviceState(device: DeviceView | undefined, { language, words, now }: CommandContext): string {
  const text = TEXT[language];
  if (!device) return text.noDevices;
  return device.connected ? text.online : text.offline(words.relative(device.lastSeenAt, now));
}
