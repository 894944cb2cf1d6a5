import type { ErrorData } from '../../domain/errors.ts';
import type { ChatCode, ProblemWriter } from './contract.ts';
import { list, chatPage as page, platformName, text as t } from './format.ts';

/** English: what is wrong with a chat, and what to do next. `platform` is always there; `reason` is the platform's own word. */

const because = (reason: ErrorData[string]) => (t(reason) ? ` (${t(reason)})` : '');

export const chatProblems: Record<ChatCode, ProblemWriter> = {
  chat_secret_missing: (d) => ({
    text: `${platformName(d.platform)} has no ${t(d.what) || 'secret'}${because(d.reason)}.`,
    next: `Write it into ${t(d.file) || 'a file'}, readable by Fettle's user alone, or set ${t(d.variable)}; then /update restart hub.`,
  }),
  chat_credentials_malformed: (d) => ({
    text: `The ${t(d.what) || 'credentials'} of ${platformName(d.platform)} can't be right: ${t(d.expected)} was expected.`,
    next: `Copy it again from ${t(d.where) || "the platform's page"}, and mind that nothing is cut off.`,
  }),
  chat_credentials_refused: (d) => ({
    text: `${platformName(d.platform)} refuses the ${t(d.what) || 'credentials'}${because(d.reason)}.`,
    next: d.setup
      ? `Copy all of it again from ${t(d.where) || "the platform's page"}. If it was reset or revoked, make a new one there.`
      : `It may have been reset or revoked. Make a new one at ${t(d.where) || "the platform's page"}, put it in place of the old one, then /update restart hub.`,
  }),
  chat_intents_missing: (d) => ({
    text: `${platformName(d.platform)} refuses the events that Fettle asks for${because(d.reason)}.`,
    next: `Allow them at ${t(d.where) || "the platform's page"}, then /update restart hub.`,
  }),
  chat_permission_missing: (d) => ({
    text: `${platformName(d.platform)} does not let the bot ${t(d.what) || 'do that'}${because(d.reason)}.`,
    next:
      list(d.permissions).length > 0
        ? `Give it: ${list(d.permissions).join(', ')}.${d.platform === 'feishu' ? ' Then publish a new version of the app.' : ''}`
        : `Is it in that chat? Add it, with the permissions that ${page(d)} names.`,
  }),
  chat_unreachable: (d) => ({
    text: `${platformName(d.platform)} can't be reached${because(d.reason)}.`,
    next: d.setup
      ? `Nothing was changed. ${d.proxy ? `The proxy ${t(d.proxy)} is used: does it run, and let this through? A name and a password for it are part of its address: --proxy http://NAME:PASSWORD@HOST:PORT.` : 'Is there a network? Where a proxy is needed: --proxy http://HOST:PORT.'}`
      : `It is tried again by itself.${d.proxy ? ` The proxy ${t(d.proxy)} is used: does it run, and let this through?` : ' Where a proxy is needed, set `proxy` for this chat.'}`,
  }),
  chat_conflict: (d) => ({
    text: `Another program uses the same bot on ${platformName(d.platform)}${because(d.reason)}.`,
    next: 'Stop it, or make a bot of its own for Fettle: events are lost otherwise. It is tried again by itself.',
  }),
  chat_proxy_unusable: (d) => ({
    text: `The proxy of ${platformName(d.platform)} can't be used${because(d.proxy)}: ${t(d.where)} is not the address of an HTTP proxy.`,
    next: `Set \`chats.${t(d.platform)}.proxy\` to one, such as http://127.0.0.1:7890, or to \`none\`; then /update restart hub. SOCKS is not spoken.`,
  }),
  chat_refused: (d) => ({
    text: `${platformName(d.platform)} refuses this hub${because(d.reason)}.`,
    next: d.setup
      ? `Nothing was changed. See ${page(d)}; the same command tries again.`
      : `See ${page(d)}. After it is mended: /update restart hub.`,
  }),
  button_unknown: () => ({
    text: 'This button is too old: I do not know any more what it did.',
    next: '/update shows how things are, with new buttons.',
  }),
  event_too_old: (d) => ({
    text: `This is from ${t(d.at)}, and is not done any more: nothing is that is older than a day.`,
    next: "Ask again. If you have asked just now, the clock of the hub's machine is wrong.",
  }),
};
