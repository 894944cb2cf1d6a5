import { z } from 'zod';
import { FettleError } from '../domain/errors.ts';
import type { Language } from '../domain/reply.ts';
import { argument, type CommandResult, defineCommand } from './contract.ts';
import type { UpdateRequest } from './services.ts';

const TEXT = {
  en: {
    forced: (id: string, app: string) => `${id} of ${app} does not wait any longer`,
    goesOn: 'The app is stopped although it says that it must not be.',
  },
  zh: {
    forced: (id: string, app: string) => `${app} 的 ${id} 不再等待`,
    goesOn: '尽管应用表示现在不能停止，仍会将其停止。',
  },
};

/** `/update force`: what waits for the app's own lock goes on. */
export const force = defineCommand({
  name: 'update force',
  phrases: [],
  role: 'operator',
  args: z.object({
    id: argument(z.string(), { kind: 'update', help: { en: 'which update', zh: '哪次更新' } }),
  }),
  help: {
    en: 'An update that waits because the app must not be stopped goes on; who did it is written down',
    zh: '让因应用不能停止而等待的更新继续；会记录操作者',
  },
  examples: [{ text: '/update force u-7k2m', help: { en: 'do not wait for the app', zh: '不再等待应用' } }],
  async run({ services, who, route, eventId, language }, { id }) {
    const { app, accepted, state } = await services.insist(id, 'force', { who, route, eventId });
    if (!accepted) throw new FettleError('too_late_to_force', { data: { id, app, state } });
    return forcedReply(id, app, language);
  },
});

/** An update that was begun answers by itself when it is over; one that went on has whoever asked for it first. */
export function startedOrForced(
  made: { readonly id: string; readonly forced?: true },
  { app }: Pick<UpdateRequest, 'app'>,
  language: Language,
): CommandResult {
  return made.forced ? forcedReply(made.id, app, language) : { deferred: made.id };
}

function forcedReply(id: string, app: string, language: Language): CommandResult {
  const text = TEXT[language];
  return { reply: { tone: 'good', title: text.forced(id, app), text: [text.goesOn] } };
}
