import { z } from 'zod';
import type { Reply } from '../domain/reply.ts';
import { defineCommand } from './contract.ts';
import { deviceArgument, labelWord, stateWord } from './device-words.ts';

const TEXT = {
  en: {
    id: 'id',
    labels: 'labels',
    platform: 'platform',
    agent: 'agent',
    host: 'host name',
    joined: 'joined',
    by: (ago: string, who: string) => `${ago}, by ${who}`,
    local: "It is the hub's own machine.",
    cloned:
      'Its key was seen from two machines: a copied disk or home, or a stolen key. Neither may connect, nothing is updated there.',
    way: 'The way out: for each a new line of /device enroll, pasted there with ` --new-key` at its end; then revoke this one.',
    revoked: 'Its key is worth nothing, for ever. Its apps run on as they were.',
    columns: ['app', 'version', 'health'],
    noApps: 'It has reported no app yet.',
  },
  zh: {
    id: '标识',
    labels: '标签',
    platform: '平台',
    agent: 'agent',
    host: '主机名',
    joined: '加入时间',
    by: (ago: string, who: string) => `${ago}，由 ${who} 邀请`,
    local: '这是 hub 所在的机器。',
    cloned: '它的密钥出现在两台机器上：可能是复制的磁盘或目录，也可能是密钥被盗。两台都不能连接，也不会更新。',
    way: '解决办法：为每台各用 /device enroll 生成一条新命令，在命令末尾加上 ` --new-key` 后粘贴执行；然后吊销这条旧记录。',
    revoked: '它的密钥已永久作废。其上的应用照常运行。',
    columns: ['应用', '版本', '状态'],
    noApps: '它还没有报告任何应用。',
  },
};

/** `/device show`: one device, and what is wrong with it. */
export const deviceShow = defineCommand({
  name: 'device show',
  role: 'operator',
  args: z.object({ device: deviceArgument() }),
  help: { en: 'Shows one device: state, labels, apps, since when', zh: '显示一台设备：状态、标签、应用、加入时间' },
  examples: [{ text: '/device show robot-7', help: { en: 'one device', zh: '一台设备' } }],
  async run(context, { device: typed }) {
    const { services, language, words, now } = context;
    const text = TEXT[language];
    const device = await services.fleet.find(typed);
    const field = (name: string, value: string | undefined) => (value ? [{ name, value }] : []);
    const notes = [
      ...(device.local ? [text.local] : []),
      ...(device.state === 'held' ? [text.cloned, text.way] : []),
      ...(device.state === 'revoked' ? [text.revoked] : []),
      ...(device.apps.length === 0 && device.state === 'active' ? [text.noApps] : []),
    ];
    const reply: Reply = {
      tone: device.state === 'active' ? (device.connected ? 'good' : 'warn') : 'bad',
      title: `${device.name}: ${stateWord(device, context)}`,
      ...(notes.length > 0 ? { text: notes } : {}),
      fields: [
        ...field(text.labels, labelWord(device, language)),
        ...field(text.platform, device.platform),
        ...field(text.agent, device.version),
        ...field(text.host, device.hostname),
        ...field(
          text.joined,
          device.enrolledAt === undefined
            ? undefined
            : text.by(words.relative(device.enrolledAt, now), device.enrolledByName ?? ''),
        ),
        ...field(text.id, device.id),
      ],
      ...(device.apps.length > 0
        ? {
            table: {
              columns: text.columns,
              rows: device.apps.map(({ app, version, health }) => [
                app,
                version ?? '–',
                words.health(health as Parameters<typeof words.health>[0]),
              ]),
            },
          }
        : {}),
      ...(device.state === 'held' ? { hints: ['/device enroll', `/device revoke ${device.name}`] } : {}),
    };
    return { reply };
  },
});
