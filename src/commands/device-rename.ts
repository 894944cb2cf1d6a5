import { z } from 'zod';
import { argument, defineCommand } from './contract.ts';
import { deviceArgument } from './device-words.ts';

const TEXT = {
  en: (before: string, after: string) => `${before} is called ${after} now`,
  zh: (before: string, after: string) => `${before} 现在叫 ${after}`,
};

/** `/device rename`: another name for a device. */
export const deviceRename = defineCommand({
  name: 'device rename',
  role: 'admin',
  args: z.object({
    device: deviceArgument(),
    name: argument(z.string(), { kind: 'text', label: 'new-name', help: { en: 'the new name', zh: '新名字' } }),
  }),
  help: { en: 'Gives a device another name', zh: '给设备改名' },
  examples: [{ text: '/device rename robot-7 robot-east', help: { en: 'another name', zh: '改名' } }],
  async run(context, { device, name }) {
    const { before, after } = await context.services.fleet.rename(device, name, context);
    return { reply: { tone: 'good', title: TEXT[context.language](before, after) } };
  },
});
