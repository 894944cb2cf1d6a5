import { z } from 'zod';
import { argument, defineCommand } from './contract.ts';
import { deviceArgument } from './device-words.ts';

const TEXT = {
  en: {
    ask: (name: string) => `Revoke ${name} for good?`,
    what: 'Its connection ends at once and its key is never taken again; updates that run there end as lost. Its apps run on as they are. To let it in again it has to be enrolled anew.',
    sure: 'Revoke it',
    done: (name: string) => `${name} is revoked`,
    already: (name: string) => `${name} was revoked before`,
    after: 'Its key is worth nothing any more. The admins are told.',
  },
  zh: {
    ask: (name: string) => `永久吊销 ${name}？`,
    what: '它的连接会立即断开，密钥永远不再被接受；其上正在进行的更新以“失联”结束。应用照常运行。要重新加入必须重新登记。',
    sure: '吊销',
    done: (name: string) => `${name} 已吊销`,
    already: (name: string) => `${name} 之前已被吊销`,
    after: '它的密钥已作废。已通知管理员。',
  },
};

/** `/device revoke`: asks back, and then ends a device's key for ever. */
export const deviceRevoke = defineCommand({
  name: 'device revoke',
  aliases: ['device remove'],
  role: 'admin',
  args: z.object({
    device: deviceArgument(),
    sure: argument(z.boolean().default(false), {
      kind: 'flag',
      help: { en: 'do it, without asking back', zh: '直接执行，不再确认' },
    }),
  }),
  help: { en: 'Ends a device’s connection and its key, for ever; asks back', zh: '断开设备并永久作废其密钥；会先确认' },
  examples: [{ text: '/device revoke robot-7', help: { en: 'it is lost, or stolen', zh: '丢失或被盗' } }],
  async run(context, { device, sure }) {
    const { services, language } = context;
    const text = TEXT[language];
    const found = await services.fleet.find(device);
    if (!sure && found.state !== 'revoked' && !found.local) {
      const command = `/device revoke ${found.id} --sure`;
      const buttons = [{ label: text.sure, command, style: 'danger' as const }];
      return { reply: { tone: 'warn', title: text.ask(found.name), text: [text.what], buttons }, failed: true };
    }
    const { name, already } = await services.fleet.revoke(found.id, context);
    return { reply: { tone: 'good', title: (already ? text.already : text.done)(name), text: [text.after] } };
  },
});
