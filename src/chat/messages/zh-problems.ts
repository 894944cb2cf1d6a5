import { isSelf } from '../../domain/app.ts';
import type { ErrorCode, ErrorData } from '../../domain/errors.ts';
import { usageIn } from '../../domain/placeholders.ts';
import { SETTING_TEXTS, settingKeyOf } from '../../domain/setting-texts.ts';
import { isUpdateState } from '../../domain/update.ts';
import type { ProblemWriter } from './contract.ts';
import { formatBytes, list, number, text as t } from './format.ts';
import { chatProblems } from './zh-chats.ts';
import { deviceProblems } from './zh-devices.ts';
import { originProblems } from './zh-origins.ts';
import { peopleProblems } from './zh-people.ts';
import { because, duration, STATES, when } from './zh-words.ts';

/** Chinese: a text for every error code: what happened, to what, what to do next. */

const app = (data: ErrorData) => t(data.app) || '该应用';

const of = (data: ErrorData) => (data.app ? `${spaced(t(data.app))}的` : '');

const spaced = (word: string) => ` ${word} `;

const device = (data: ErrorData) => t(data.name ?? data.device) || '设备';

const didYouMean = (data: ErrorData) => {
  const nearest = list(data.nearest);
  return nearest.length > 0 ? `您是不是想输入 ${nearest.join(' 或 ')}？` : undefined;
};

export const problems: Record<ErrorCode, ProblemWriter> = {
  ...chatProblems,
  ...peopleProblems,
  ...deviceProblems,
  ...originProblems,
  unknown_command: (d) => ({
    text: d.typed ? `没有“${t(d.typed)}”这个命令。` : '这不是一个命令。',
    next: didYouMean(d) ?? '输入 /help 查看全部命令。',
  }),
  unknown_app: (d) => ({
    text: `没有名为“${t(d.typed ?? d.app)}”的应用。`,
    next:
      didYouMean(d) ??
      (list(d.apps ?? d.known).length > 0
        ? `现有：${list(d.apps ?? d.known).join('、')}。`
        : '请在 fettle.yaml 中添加。'),
  }),
  unknown_version: (d) => ({
    text: `${app(d)} 没有 ${t(d.version)} 这个版本。`,
    next: list(d.newest).length > 0 ? `最新的有：${list(d.newest).join('、')}。` : '它的来源没有提供任何版本。',
  }),
  unknown_update: (d) => ({
    text: `没有 ${t(d.id)} 这次更新。`,
    next: didYouMean(d) ?? '/update history 列出过去的更新，/update status 列出进行中的更新。',
  }),
  unknown_backup: (d) => ({
    text: d.backup ? `没有备份 ${t(d.backup)}。` : `恢复${of(d)}哪个备份？`,
    next: list(d.known).length > 0 ? `现有：${list(d.known).join('、')}。` : `还没有${of(d)}备份。`,
  }),
  bad_arguments: (d) => ({ text: badArguments(d), next: d.usage ? `用法：${usageIn('zh', t(d.usage))}` : undefined }),
  unknown_setting: (d) => ({
    text: `没有名为“${t(d.key)}”的设置。`,
    next: didYouMean(d) ?? `现有：${list(d.known).join('、')}。`,
  }),
  bad_setting: (d) => ({
    text: `“${t(d.value)}”不是 ${t(d.key) || '该设置'} 的有效值。`,
    next: `可取的值：${expectedOf(d)}。没有做任何改动。`,
  }),
  app_needed: (d) => ({
    text: '是哪个应用？',
    next: list(d.apps).length > 0 ? `现有：${list(d.apps).join('、')}。` : '还没有应用，请在 fettle.yaml 中添加。',
  }),
  not_allowed: (d) => ({
    text: d.needed
      ? `需要 ${t(d.needed)} 角色，您是${d.has ? ` ${t(d.has)}` : '未登记的用户'}。`
      : '您没有权限这样做。',
    next: '请联系管理员。',
  }),
  rate_limited: (d) => ({
    text: '操作太频繁了。',
    next:
      number(d.retryAfterMs) === undefined ? '请稍等片刻。' : `请在 ${duration(number(d.retryAfterMs) ?? 0)}后再试。`,
  }),

  in_progress: (d, now) => ({
    text: `${app(d)} 正在更新：${t(d.id)}，由 ${t(d.who) || '某人'} ${d.startedAt ? `于 ${when(d.startedAt, now)} ` : ''}发起，当前状态：${stateName(t(d.state))}。`,
    next: d.id ? `/update status ${t(d.id)} 查看，/update cancel ${t(d.id)} 取消。` : undefined,
  }),
  nothing_to_cancel: (d) => ({
    text: d.id ? `${t(d.id)} 已经结束${d.state ? `：${stateName(t(d.state))}` : ''}。` : '没有正在进行的更新。',
  }),
  too_late_to_force: (d) => ({
    text: `${app(d)} 的 ${t(d.id) || '更新'} 无法强制：它已不在等待（${stateName(t(d.state))}）。`,
  }),
  not_waiting: (d) => ({
    text: `${app(d)} 的 ${t(d.id) || '更新'} 没有在等待应用（${stateName(t(d.state))}）。`,
  }),
  agent_too_old: (d) => ({
    text: `${device(d)} 的 agent 版本太旧，不支持此操作。`,
    next: '/update now agent 可将其更新到与中枢相同的版本。',
  }),
  too_late_to_cancel: (d) => ({
    text: `来不及取消 ${t(d.id) || '这次更新'}了：${app(d)} 正在切换（${stateName(t(d.state))}）。`,
    next: `新版本若不能证明自己正常，会自动回退；之后也可以用 ${d.app ? `/update rollback ${t(d.app)}` : '/update rollback'} 回退。`,
  }),
  already_latest: (d) => ({ text: `${app(d)} 已是最新版本${d.version ? ` ${t(d.version)}` : ''}。` }),
  already_running_version: (d) => ({ text: `${app(d)} 已在运行 ${t(d.version) || '该版本'}。` }),
  downgrade_refused: (d) => ({
    text: `${app(d)} ${t(d.to ?? d.version)} 比${d.from ? `当前的 ${t(d.from)}` : '当前版本'}旧，而设备只允许回到上一个正常版本。`,
    next: `/update rollback ${t(d.app)} 可以回到那里。若要允许任意版本，请在设备的文件中为它设置 downgrade: any。`,
  }),
  release_blocked: (d) => ({
    text: `${app(d)} ${t(d.version)} 在这里失败过，所以不会自动重试。`,
    next: `/update now ${t(d.app) || 'APP'}@${t(d.version)} --force 再试一次。`,
  }),
  release_skipped: (d) => ({
    text: `除了已跳过的 ${t(d.version)}，${app(d)} 已是最新版本。`,
    next: `/update now ${t(d.app) || 'APP'}@${t(d.version)} 仍可更新到它。`,
  }),
  pinned: (d) => ({
    text: `${app(d)} 已固定在 ${t(d.version)}${d.who ? `（由 ${t(d.who)} 设置）` : ''}。`,
    next: `/update unpin ${t(d.app) || 'APP'} 解除固定；--force 可越过一次。`,
  }),
  no_last_good: (d) => ({
    text: `${app(d)} 没有可以回退的正常版本。`,
    next: `/update now ${t(d.app) || 'APP'}@VERSION 安装指定版本。`,
  }),
  no_source: (d) =>
    isSelf(t(d.app))
      ? {
          text: `${app(d)} 是 Fettle 自身，尚未配置 Fettle 自身版本的来源。`,
          next: '请在 fettle.yaml 中配置，例如 fettle: {source: folder releases/fettle}。',
        }
      : {
          text: `${app(d)} 没有配置来源，无从知道有什么新版本。`,
          next: '请在 fettle.yaml 中为它配置 source。',
        },
  not_installed: (d) => ({ text: `${app(d)} 尚未安装。`, next: `/update now ${t(d.app)} 安装它。` }),
  not_restorable: (d) => ({
    text: `${app(d)} 不能忘记它说过和听到的内容，因此不能从聊天中恢复它的数据库。`,
    next: '请停止 Fettle 后手动恢复，方法见 docs/recovery.md。',
  }),
  no_updater: (d) => ({
    text: `这里没有能更新 ${app(d)} 的 agent：应用由同一台机器上的 agent 更新。`,
    next: '请用 `fettle up` 同时启动 hub 和 agent，或在安装它的地方更新。',
  }),
  no_log: (d) => ({ text: `没有${of(d)}${d.id ? `${spaced(t(d.id))}的` : ''}日志。` }),

  busy: (d) => ({
    text: d.other
      ? `${app(d)} 等待 ${t(d.other)} 的更新结束。`
      : `${d.app ? app(d) : '设备'} 正忙于另一次更新${because(d)}。`,
    next: '请等它结束后再试。',
  }),
  check_unusable: (d) => ({
    text: `${app(d)} 无法按其配置文件进行检查（${t(d.check)}）${because(d)}。`,
    next: '请先修复，或修改设备上配置文件中的 `healthy:`。应用未受影响。',
  }),
  driver_unusable: (d) => ({
    text: `无法按配置文件（${t(d.driver)}）启停 ${app(d)}${because(d)}。`,
    next: '请修复，或修改设备配置文件中的 `restart:`。未做任何改动。',
  }),
  writes_into_slot: (d) => ({
    text: `${app(d)} 往自己的程序目录写数据（${t(d.path)}）：更新会丢失这些数据。`,
    next: `请在设备的配置文件中加上 keep: [${t(d.keep ?? d.path)}]。未做任何改动。`,
  }),
  other_filesystem: (d) => ({
    text: `${t(d.path)} 与 ${t(d.other)} 不在同一个文件系统上，无法一步切换。`,
    next: `${d.advice ? t(d.advice) : '请移动其中之一'}。未做任何改动。`,
  }),
  not_replaceable: (d) => ({
    text: `无法替换 ${t(d.path)}${because(d)}。`,
    next: `${d.advice ? `${t(d.advice)}。` : ''}未做任何改动。`,
  }),
  init_refused: (d) => ({
    text: `未接管 ${t(d.path)}${because(d)}。`,
    next: d.advice ? t(d.advice) : '未做任何改动。',
  }),
  service_refused: (d) => ({
    text: `Fettle 未设为系统服务${because(d)}。`,
    next: d.advice ? `${t(d.advice)}。` : '没有任何改动。',
  }),
  locked_by_app: (d) => ({
    text: d.ended
      ? `${app(d)} 直到截止时间都表示不能停止${because(d)}。`
      : `${app(d)} 表示现在不能停止${because(d)}。${d.until ? `自 ${when(d.since, undefined)} 起；最多等到 ${when(d.until, undefined)}。` : ''}`,
    next: d.ended ? '已下载的内容会保留到下次尝试。--force 可以不等待。' : undefined,
  }),
  outside_window: (d, now) => ({
    text: `不在维护时段内${d.opensAt ? `；${when(d.opensAt, now)}开始` : ''}。`,
    next: '--force 可以不等待。',
  }),

  rehearsal_failed: (d) => ({
    text: `${version(d)}没有通过预演${because(d)}。`,
    next: '没有切换过去。请修复该版本，或它所报告的问题。',
  }),

  no_space: (d) => ({
    text: `设备磁盘空间不足${number(d.needed) === undefined ? because(d) : `：需要 ${formatBytes(number(d.needed) ?? 0)}${number(d.free) === undefined ? '' : `，剩余 ${formatBytes(number(d.free) ?? 0)}`}`}。`,
    next: '请腾出空间后再试。',
  }),
  io_failed: (d) => ({ text: `设备磁盘工作不正常${because(d)}。`, next: '请检查磁盘。' }),
  backup_failed: (d) =>
    d.backup
      ? {
          text: `备份 ${t(d.backup)} 不能恢复${d.path ? `：${t(d.path)}` : ''}${because(d)}。`,
          next: `请选择另一个：/update backups ${t(d.app)}`.trim(),
        }
      : {
          text: `无法备份${of(d)}数据${d.path ? `：${t(d.path)}` : ''}${because(d)}。`,
          next: '没有备份就不会切换。请解决后再试。',
        },
  start_failed: (d) => ({
    text: `${version(d)}无法启动${because(d)}。`,
    next: '请检查 fettle.yaml 中的 `run` 和日志。',
  }),
  stop_failed: (d) => ({ text: `${app(d)} 无法停止${because(d)}。`, next: '请在设备上查看它在做什么。' }),
  crashed: (d) => ({ text: `${version(d)}自行退出${exit(d)}${because(d)}。`, next: '日志说明了原因。' }),
  health_failed: (d) => ({
    text: `${version(d)}没有通过健康检查${d.check ? `（${t(d.check)}）` : ''}${d.status ? `：返回 HTTP ${t(d.status)}` : ''}${because(d)}。`,
    next: '请修复该版本，或 fettle.yaml 中的检查。',
  }),
  wrong_version: (d) => ({
    text: `正在运行的版本是 ${t(d.found) || '另一个版本'}，而不是 ${t(d.expected) || '新版本'}。`,
    next: '请检查该版本所报告的版本号。',
  }),
  deadline_passed: (d) => ({
    text: `耗时过长${d.state ? `（${stateName(t(d.state))}）` : ''}${afterMs(d) === undefined ? '' : `：超过 ${duration(afterMs(d) ?? 0)}`}${because(d)}。`,
    next: '请重试；也可以在应用的 `deadlines` 中延长。',
  }),
  interrupted: (d) => ({
    text: `设备在此期间重启了${d.state ? `（${stateName(t(d.state))}）` : ''}${because(d)}。`,
    next: '请重试。',
  }),
  interrupted_too_often: (d) => ({
    text: `被中断的次数太多${d.times ? `（${t(d.times)} 次）` : ''}${d.state ? `，最后一次在：${stateName(t(d.state))}` : ''}。`,
    next: '请先找出设备或 agent 重启的原因，然后再试。',
  }),
  journal_unreadable: (d) => ({
    text: `这个 agent 读不了正在进行的更新的日志${because(d)}。`,
    next: '会重新启动之前的 agent，由它继续。',
  }),
  build_failed: (d) => ({
    text: `${of(d).trimStart()}构建失败${because(d)}。`,
    next: `完整输出在设备的 logs/${t(d.app)}.build.log。`,
  }),

  rolled_back: (d) => ({ text: `${app(d)} 已回滚${d.version ? `到 ${t(d.version)}` : ''}${because(d)}。` }),
  rollback_failed: (d) => ({
    text: `${app(d)} 无法恢复${because(d)}。`,
    next: `Fettle 会继续尝试启动它。日志：/update logs ${t(d.app)}；然后：/update restart ${t(d.app)}`,
  }),
  timed_out: (d) => ({ text: `${of(d).trimStart()}更新超时，已放弃${because(d)}。`, next: '请重试。' }),
  cancelled: (d) => ({ text: `${of(d).trimStart()}更新已取消。` }),

  config_invalid: (d) => ({
    text: `配置有误：${t(d.file)}${d.line ? `:${t(d.line)}` : ''}${d.key ? `：${t(d.key)}` : ''}${d.expected ? `：${t(d.expected)}` : ''}${because(d)}。`,
    next: didYouMean(d) ?? '请修改文件后重新启动。',
  }),
  config_missing: (d) => ({ text: `找不到配置 ${t(d.file ?? d.path)}。`, next: '运行 fettle up 会创建一份。' }),
  home_not_writable: (d) => ({
    text: `主目录 ${t(d.home ?? d.path)} 不可写${because(d)}。`,
    next: '请把 FETTLE_HOME 设为您自己的目录。',
  }),
  home_in_use: (d) => ({
    text: `已有另一个 Fettle 在使用主目录 ${t(d.path)}${d.pid ? `（进程 ${t(d.pid)}）` : ''}。`,
    next: '用 fettle chat 与它对话，或用 fettle down 停止它。',
  }),
  port_in_use: (d) => ({
    text: d.address ? `hub 无法在 ${t(d.address)} 监听${because(d)}。` : `端口 ${t(d.port)} 已被其他程序占用。`,
    next: d.address
      ? '请检查 fettle.yaml 中的 `hub.listen`。'
      : '请设置 FETTLE_PORT（0 表示任意空闲端口）或 fettle.yaml 中的 hub.port。',
  }),
  node_too_old: (d) => ({
    text: `Node.js ${t(d.found ?? d.version)} 太旧。`,
    next: `Fettle 需要 ${t(d.needed) || '22.18'} 或更新的版本。`,
  }),
  wrong_runtime: (d) => ({
    text: `${app(d)}${d.version ? ` ${t(d.version)}` : ''} 是为另一个 Node.js 安装的，无法启动：${t(d.module)} 适用于 ABI ${t(d.for)}，这里是 ${t(d.here)}。`,
    next: `没有改动任何东西。/update now ${t(d.app)} 会为当前 Node.js 安装一个版本。`,
  }),
  platform_unsupported: (d) => ({ text: `Fettle 不支持 ${t(d.platform)}。`, next: '请使用 Linux。' }),
  hub_unreachable: (d) => ({
    text: `hub 没有响应${because(d)}。`,
    next: d.log ? `日志：${t(d.log)}` : '它在运行吗？fettle up 会启动它。',
  }),
  keeper_unreachable: (d) => ({
    text: `守护进程没有响应${because(d)}。`,
    next: d.log ? `日志：${t(d.log)}` : '它在运行吗？fettle up 会启动它。',
  }),
  protocol_violation: (d) => ({ text: `对方发来了无法理解的内容${because(d)}。`, next: '双方的版本是否匹配？' }),
  publish_refused: (d) => ({ text: `没有发布任何内容${because(d)}。`, next: t(d.advice) || undefined }),
  internal: (d) => ({
    text: `Fettle 内部出错${because(d)}。`,
    next: d.log ? `详情见日志：${t(d.log)}` : '详情见 hub 的日志。',
  }),
};

function expectedOf(d: ErrorData): string {
  const key = settingKeyOf(t(d.key));
  return key ? SETTING_TEXTS[key].expected.zh : t(d.expected) || '其他值';
}

function badArguments(d: ErrorData): string {
  const what = t(d.what);
  const near = list(d.nearest)[0];
  switch (d.problem) {
    case 'unknown_flag':
      return `这里没有 ${what} 这个选项。${near ? `您是不是想输入 ${near}？` : ''}`;
    case 'value_needed':
      return `${what} 需要一个值。`;
    case 'not_a_value':
      return `“${t(d.value)}”不是 ${what} 的有效值。`;
    case 'missing':
      return `缺少 ${usageIn('zh', what)}。`;
    case 'several':
      return `有多个符合：${list(d.fits).join('、')}。请指明是哪一个。`;
    case 'unexpected':
      return `不明白这里的“${what}”是什么意思。${near ? `您是不是想输入 ${near}？` : ''}`;
    case 'quote':
      return '引号没有闭合。';
    case 'too_long':
      return '命令太长了。';
    default:
      return d.reason ? `参数不对：${t(d.reason).replace(/[^?？.。]$/, '$&。')}` : '看不懂这条命令。';
  }
}

function version(d: ErrorData): string {
  const number_ = t(d.version);
  return number_ ? `${d.app ? `${t(d.app)} ` : '版本 '}${number_} ` : d.app ? `${t(d.app)} 的新版本` : '它';
}

function afterMs(d: ErrorData): number | undefined {
  const seconds = number(d.seconds);
  return number(d.afterMs) ?? (seconds === undefined ? undefined : seconds * 1_000);
}

function exit(d: ErrorData): string {
  const signal = t(d.signal);
  const code = t(d.exit ?? d.code);
  return signal ? `（被 ${signal} 终止）` : code ? `（退出码 ${code}）` : '';
}

function stateName(state: string): string {
  return isUpdateState(state) ? STATES[state] : state || '进行中';
}
