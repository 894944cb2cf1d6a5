import { z } from 'zod';
import { defineCommand } from './contract.ts';
import { labelWord, stateWord } from './device-words.ts';

const TEXT = {
  en: {
    title: (n: number, online: number) =>
      n === 0 ? 'No device has joined yet' : `${n} ${n === 1 ? 'device' : 'devices'}, ${online} online`,
    columns: ['device', 'state', 'labels', 'platform', 'apps'],
    held: (names: string) => `Held: ${names}. /device show NAME says why.`,
    revoked: (names: string) => `Revoked: ${names}`,
    hint: '/device enroll NAME adds one',
  },
  zh: {
    title: (n: number, online: number) => (n === 0 ? '还没有设备加入' : `${n} 台设备，${online} 台在线`),
    columns: ['设备', '状态', '标签', '平台', '应用'],
    held: (names: string) => `已暂停：${names}。用 /device show 设备名 查看原因。`,
    revoked: (names: string) => `已吊销：${names}`,
    hint: '/device enroll 设备名 可添加一台',
  },
};

/** `/device list`: which devices there are, and how they are. */
export const deviceList = defineCommand({
  name: 'device list',
  phrases: ['有哪些设备', '设备列表', 'which devices are there', 'list devices'],
  role: 'operator',
  args: z.object({}),
  help: { en: 'Lists the devices and whether they are online', zh: '列出设备及其在线状态' },
  examples: [{ text: '/device list', help: { en: 'every device', zh: '所有设备' } }],
  async run(context) {
    const { services, language } = context;
    const text = TEXT[language];
    const all = await services.fleet.list();
    const devices = all.filter(({ state }) => state !== 'revoked');
    const revoked = all.filter(({ state }) => state === 'revoked').map(({ name }) => name);
    const held = devices.filter(({ state }) => state === 'held').map(({ name }) => name);
    const rows = devices.map((device) => [
      device.name,
      stateWord(device, context),
      labelWord(device, language),
      device.platform ?? '',
      device.apps.map(({ app, version }) => `${app} ${version ?? '–'}`).join(', '),
    ]);
    const notes = [
      ...(held.length > 0 ? [text.held(held.join(', '))] : []),
      ...(revoked.length > 0 ? [text.revoked(revoked.join(', '))] : []),
    ];
    return {
      reply: {
        tone: held.length > 0 ? 'warn' : 'info',
        title: text.title(devices.length, devices.filter(({ connected }) => connected).length),
        ...(rows.length > 0 ? { table: { columns: text.columns, rows } } : {}),
        ...(notes.length > 0 ? { text: notes } : {}),
        hints: [text.hint],
      },
    };
  },
});
