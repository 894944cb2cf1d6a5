import { z } from 'zod';
import { describeLabels } from '../domain/device.ts';
import type { Language } from '../domain/reply.ts';
import { argument, type CommandContext } from './contract.ts';
import type { DeviceDetail } from './devices-services.ts';

/** What the commands about devices share. */

const TEXT = {
  en: {
    online: 'online',
    offline: (ago: string) => `offline, last seen ${ago}`,
    never: 'has not connected yet',
    held: 'HELD: one key on two machines',
    revoked: 'revoked',
    labels: 'none',
  },
  zh: {
    online: '在线',
    offline: (ago: string) => `离线，上次在线：${ago}`,
    never: '尚未连接',
    held: '已暂停：一把密钥出现在两台机器上',
    revoked: '已吊销',
    labels: '无',
  },
};

/** How a device is, in a few words. */
export function stateWord(device: DeviceDetail, { language, words, now }: CommandContext): string {
  const text = TEXT[language];
  if (device.state === 'revoked') return text.revoked;
  if (device.state === 'held') return text.held;
  if (device.connected) return text.online;
  return device.lastSeenAt === undefined ? text.never : text.offline(words.relative(device.lastSeenAt, now));
}

export function labelWord(device: DeviceDetail, language: Language): string {
  return describeLabels(device.labels) || TEXT[language].labels;
}

/** The argument that names a device. */
export const deviceArgument = () =>
  argument(z.string(), { kind: 'device', help: { en: 'name or id of a device', zh: '设备名或标识' } });

/** The argument `on NAME`. */
export const onArgument = () =>
  argument(z.string().optional(), {
    kind: 'selector',
    help: {
      en: 'on which device: its name, or a label=value that only one has',
      zh: '在哪台设备上：设备名，或只有一台设备具有的 label=value',
    },
  });
