import { z } from 'zod';
import { argument, defineCommand } from './contract.ts';

const EN = {
  skipped: (app: string, version: string) => `${app} ${version} is skipped`,
  already: (app: string, version: string) => `${app} ${version} is skipped already`,
  means:
    'It is not announced, and neither automatic updates nor /update now choose it. Later releases count as before.',
  undo: (app: string, version: string) => `/update now ${app}@${version} takes it all the same, and it counts again`,
};
const ZH: typeof EN = {
  skipped: (app, version) => `已跳过 ${app} ${version}`,
  already: (app, version) => `${app} ${version} 之前已经跳过`,
  means: '不再通知它，自动更新和 /update now 也不会选它；之后的版本照常。',
  undo: (app, version) => `/update now ${app}@${version} 仍可更新到它，并取消跳过`,
};
const TEXT = { en: EN, zh: ZH };

/** `/update skip`: one release is passed over for good. */
export const skip = defineCommand({
  name: 'update skip',
  phrases: ['跳过此版本', '跳过这个版本', 'skip this version'],
  role: 'operator',
  args: z.object({
    app: argument(z.string(), { kind: 'app', help: { en: 'whose release', zh: '哪个应用的版本' } }),
    version: argument(z.string().optional(), {
      kind: 'version',
      help: {
        en: 'which; without one, the newest that is newer than what runs',
        zh: '哪个版本；省略则为可更新到的最新版本',
      },
    }),
  }),
  help: { en: 'Passes over a release for good', zh: '永久跳过一个版本' },
  examples: [
    { text: '/update skip web', help: { en: 'the newest release', zh: '跳过最新版本' } },
    { text: '/update skip web@3.0.1', help: { en: 'a given one', zh: '跳过指定版本' } },
  ],
  async run(context, { app, version: wanted }) {
    const text = TEXT[context.language];
    const { version, already } = await context.services.choices.skip(app, wanted, context, context.signal);
    return {
      reply: {
        tone: 'good',
        title: (already ? text.already : text.skipped)(app, version),
        text: [text.means],
        hints: [text.undo(app, version)],
      },
    };
  },
});
