import { z } from 'zod';
import { argument, defineCommand } from './contract.ts';

const EN = {
  unpinned: (app: string, version: string) => `${app} is no longer held at ${version}`,
  not: (app: string) => `${app} is not held at any version`,
  manual: 'Updating is left to people.',
  automatic: 'Automatic updates of it go on.',
};
const ZH: typeof EN = {
  unpinned: (app, version) => `${app} 不再固定在 ${version}`,
  not: (app) => `${app} 没有固定版本`,
  manual: '是否更新由人决定。',
  automatic: '它的自动更新会继续。',
};
const TEXT = { en: EN, zh: ZH };

/** `/update unpin`: a version is no longer held. */
export const unpin = defineCommand({
  name: 'update unpin',
  phrases: ['取消固定', '解除固定', 'unpin'],
  role: 'operator',
  args: z.object({
    app: argument(z.string(), { kind: 'app', help: { en: 'what to let go', zh: '要解除固定的应用' } }),
  }),
  help: { en: 'Lets a held version go', zh: '解除版本固定' },
  examples: [{ text: '/update unpin web', help: { en: 'web may be updated again', zh: 'web 又可以更新了' } }],
  async run(context, { app }) {
    const text = TEXT[context.language];
    const { before } = await context.services.choices.unpin(app, context);
    const { auto } = await context.services.choices.of(app);
    return {
      reply: {
        tone: 'good',
        title: before === undefined ? text.not(app) : text.unpinned(app, before),
        text: [auto === 'off' ? text.manual : text.automatic],
        hints: [`/update check ${app}`, ...(before === undefined ? [] : [`/update pin ${app}@${before}`])],
      },
    };
  },
});
