import type { Language, Reply } from '../domain/reply.ts';
import type { DeviceNews } from './messages/devices.ts';

/** What is new about devices, for all admins. Pure. */

const EN = (news: DeviceNews): { title: string; text: string } => {
  switch (news.what) {
    case 'joined':
      return { title: `${news.name} has joined`, text: `${news.platform}, by a line that ${news.by} made.` };
    case 'renamed':
      return { title: `${news.before} is called ${news.after} now`, text: `By ${news.by}.` };
    case 'revoked':
      return {
        title: `${news.name} was revoked`,
        text: `By ${news.by}. Its connection has ended and its key is worth nothing; its apps run on as they are.`,
      };
    case 'cloned':
      return {
        title: `${news.name}: one key on two machines`,
        text: `Its key was seen from a second machine: a copied disk, or a stolen key. Both are held, nothing is updated there. If the home was moved or copied: on each, paste a new line of /device enroll with \` --new-key\` at its end, then /device revoke ${news.name}.`,
      };
  }
};

const ZH: typeof EN = (news) => {
  switch (news.what) {
    case 'joined':
      return { title: `${news.name} 已加入`, text: `${news.platform}，使用 ${news.by} 生成的命令。` };
    case 'renamed':
      return { title: `${news.before} 现在叫 ${news.after}`, text: `操作者：${news.by}。` };
    case 'revoked':
      return {
        title: `${news.name} 已被吊销`,
        text: `操作者：${news.by}。它的连接已断开，密钥已作废；其上的应用照常运行。`,
      };
    case 'cloned':
      return {
        title: `${news.name}：一把密钥出现在两台机器上`,
        text: `在另一台机器上看到了它的密钥：可能是复制的磁盘，也可能是密钥被盗。两台都已暂停，不会更新。如果是迁移或复制了目录：为每台各用 /device enroll 生成一条新命令，在末尾加上 \` --new-key\` 后粘贴执行，然后 /device revoke ${news.name}。`,
      };
  }
};

const TEXT = { en: EN, zh: ZH };

export function deviceCard(news: DeviceNews, language: Language): Reply {
  const { title, text } = TEXT[language](news);
  const hints = news.what === 'cloned' ? { hints: [`/device show ${news.name}`] } : {};
  return { tone: news.what === 'cloned' ? 'bad' : 'info', title, text: [text], ...hints };
}
