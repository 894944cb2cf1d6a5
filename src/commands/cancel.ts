import { z } from 'zod';
import { FettleError } from '../domain/errors.ts';
import { argument, defineCommand } from './contract.ts';

const TEXT = {
  en: {
    accepted: (id: string, app: string) => `Cancelling ${id} of ${app}`,
    ended: (id: string, app: string) => `${id} of ${app} is cancelled`,
    untouched: 'The running version is not touched.',
  },
  zh: {
    accepted: (id: string, app: string) => `正在取消 ${app} 的 ${id}`,
    ended: (id: string, app: string) => `已取消 ${app} 的 ${id}`,
    untouched: '正在运行的版本不受影响。',
  },
};

/** `/update cancel`: stops what has not reached the switch. */
export const cancel = defineCommand({
  name: 'update cancel',
  phrases: ['取消更新', '取消', '停止更新', '不更新了', 'cancel', 'cancel the update', 'stop the update'],
  label: { en: 'Cancel', zh: '取消' },
  role: 'operator',
  args: z.object({
    id: argument(z.string().optional(), {
      kind: 'update',
      help: { en: 'which update; may be left out where only one runs', zh: '哪次更新；只有一个时可省略' },
    }),
  }),
  help: {
    en: 'Cancels an update that has not reached the switch; says so if it is too late',
    zh: '取消尚未开始切换的更新；来不及时会说明',
  },
  examples: [{ text: '/update cancel', help: { en: 'the one that runs', zh: '取消正在进行的更新' } }],
  async run({ services, who, language }, { id }) {
    const result = await services.cancel(id, who);
    if (!result.accepted) {
      throw new FettleError('too_late_to_cancel', { data: { id: result.id, app: result.app, state: result.state } });
    }
    const text = TEXT[language];
    const title = (result.state === 'cancelled' ? text.ended : text.accepted)(result.id, result.app);
    return { reply: { tone: 'good', title, text: [text.untouched] } };
  },
});
