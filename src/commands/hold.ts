import { z } from 'zod';
import { FettleError } from '../domain/errors.ts';
import { argument, defineCommand } from './contract.ts';

const TEXT = {
  en: {
    held: (id: string, app: string) => `${id} of ${app} goes on waiting`,
    anew: 'Its deadline begins anew. /update force ends the wait, /update cancel the update.',
  },
  zh: {
    held: (id: string, app: string) => `${app} 的 ${id} 继续等待`,
    anew: '截止时间重新计算。/update force 结束等待，/update cancel 取消更新。',
  },
};

/** `/update hold`: what waits for the app's own lock goes on waiting, with its deadline anew. */
export const hold = defineCommand({
  name: 'update hold',
  phrases: [],
  role: 'operator',
  args: z.object({
    id: argument(z.string(), { kind: 'update', help: { en: 'which update', zh: '哪次更新' } }),
  }),
  help: {
    en: 'An update that waits because the app must not be stopped goes on waiting, with its deadline anew',
    zh: '让因应用不能停止而等待的更新继续等待，并重新计算截止时间',
  },
  examples: [{ text: '/update hold u-7k2m', help: { en: 'wait longer', zh: '继续等待' } }],
  async run({ services, who, route, eventId, language }, { id }) {
    const { app, accepted, state } = await services.insist(id, 'hold', { who, route, eventId });
    if (!accepted) throw new FettleError('not_waiting', { data: { id, app, state } });
    const text = TEXT[language];
    return { reply: { tone: 'good', title: text.held(id, app), text: [text.anew] } };
  },
});
