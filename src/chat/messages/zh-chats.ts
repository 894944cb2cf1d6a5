import type { ErrorData } from '../../domain/errors.ts';
import type { ChatCode, ProblemWriter } from './contract.ts';
import { list, chatPage as page, platformName, text as t } from './format.ts';

/** 中文：聊天平台的问题，以及下一步该怎么做。 */

const name = (d: ErrorData) => platformName(d.platform, 'zh');
const because = (reason: ErrorData[string]) => (t(reason) ? `（${t(reason)}）` : '');

export const chatProblems: Record<ChatCode, ProblemWriter> = {
  chat_secret_missing: (d) => ({
    text: `${name(d)} 缺少 ${t(d.what) || '密钥'}${because(d.reason)}。`,
    next: `请写入 ${t(d.file) || '文件'}（仅 Fettle 的用户可读），或设置 ${t(d.variable)}；然后 /update restart hub。`,
  }),
  chat_credentials_malformed: (d) => ({
    text: `${name(d)} 的 ${t(d.what) || '凭据'} 不对：应为 ${t(d.expected)}。`,
    next: `请从 ${t(d.where) || '平台页面'} 重新复制，注意不要缺字。`,
  }),
  chat_credentials_refused: (d) => ({
    text: `${name(d)} 拒绝了 ${t(d.what) || '凭据'}${because(d.reason)}。`,
    next: d.setup
      ? `请从 ${t(d.where) || '平台页面'} 重新完整复制；如已重置或撤销，请在那里重新生成。`
      : `它可能已被重置或撤销。请在 ${t(d.where) || '平台页面'} 重新生成并替换，然后 /update restart hub。`,
  }),
  chat_intents_missing: (d) => ({
    text: `${name(d)} 拒绝了 Fettle 订阅的事件${because(d.reason)}。`,
    next: `请在 ${t(d.where) || '平台页面'} 允许这些事件，然后 /update restart hub。`,
  }),
  chat_permission_missing: (d) => ({
    text: `${name(d)} 不允许机器人${t(d.what) || '这样做'}${because(d.reason)}。`,
    next:
      list(d.permissions).length > 0
        ? `请授予：${list(d.permissions).join('、')}。${d.platform === 'feishu' ? '然后发布应用的新版本。' : ''}`
        : `它在那个聊天里吗？请按 ${page(d)} 所列的权限添加。`,
  }),
  chat_unreachable: (d) => ({
    text: `无法连接 ${name(d)}${because(d.reason)}。`,
    next: d.setup
      ? `没有改动任何内容。${d.proxy ? `当前使用代理 ${t(d.proxy)}：它在运行吗？是否放行？如需用户名和密码，请写在地址里：--proxy http://NAME:PASSWORD@HOST:PORT。` : '网络正常吗？如需代理：--proxy http://HOST:PORT。'}`
      : `会自动重试。${d.proxy ? `当前使用代理 ${t(d.proxy)}：它在运行吗？是否放行？` : '如需代理，请为该聊天设置 `proxy`。'}`,
  }),
  chat_conflict: (d) => ({
    text: `有另一个程序在使用 ${name(d)} 上的同一个机器人${because(d.reason)}。`,
    next: '请停止它，或为 Fettle 单独创建机器人，否则会丢失事件。会自动重试。',
  }),
  chat_proxy_unusable: (d) => ({
    text: `${platformName(d.platform)} 的代理无法使用${because(d.proxy)}：${t(d.where)} 不是 HTTP 代理的地址。`,
    next: `请把 \`chats.${t(d.platform)}.proxy\` 设为 HTTP 代理（例如 http://127.0.0.1:7890）或 \`none\`；然后 /update restart hub。不支持 SOCKS。`,
  }),
  chat_refused: (d) => ({
    text: `${name(d)} 拒绝了这个 hub${because(d.reason)}。`,
    next: d.setup
      ? `没有改动任何内容。参见 ${page(d)}；可再次运行同一命令。`
      : `参见 ${page(d)}。处理后：/update restart hub。`,
  }),
  button_unknown: () => ({
    text: '这个按钮太旧了：已不知道它的作用。',
    next: '/update 显示当前状况和新的按钮。',
  }),
  event_too_old: (d) => ({
    text: `这条消息的时间是 ${t(d.at)}，已不再执行：超过一天的请求不会执行。`,
    next: '请重新发送。如果是刚刚发送的，则说明 hub 所在机器的时钟不准。',
  }),
};
