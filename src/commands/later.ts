import { z } from 'zod';
import { argument, defineCommand } from './contract.ts';

const TEXT = {
  en: {
    title: (app: string, version: string, when: string) => `${app} ${version}: you will hear of it again ${when}`,
    unless: 'Unless it is installed, skipped, pinned or overtaken by a newer version before.',
  },
  zh: {
    title: (app: string, version: string, when: string) => `${app} ${version}：${when}再次提醒`,
    unless: '如果在此之前它已被安装、跳过、固定版本，或有了更新的版本，则不再提醒。',
  },
};

/** `/update later`: a release is announced once more, a day later. */
export const later = defineCommand({
  name: 'update later',
  phrases: ['稍后提醒'],
  role: 'operator',
  args: z.object({
    app: argument(z.string(), { kind: 'app', help: { en: 'whose release', zh: '哪个应用的版本' } }),
    version: argument(z.string().optional(), {
      kind: 'version',
      help: { en: 'which one; without one, the newest', zh: '哪个版本；省略则为最新' },
    }),
  }),
  help: {
    en: 'Announces a release once more, a day later',
    zh: '一天后再次提醒某个新版本',
  },
  examples: [{ text: '/update later web@3.0.1', help: { en: 'tell me again tomorrow', zh: '明天再提醒我' } }],
  async run({ services, language, words, now }, { app, version }) {
    const found = await services.later(app, version);
    const text = TEXT[language];
    const title = text.title(app, found.version, words.relative(found.at, now));
    return { reply: { tone: 'good', title, text: [text.unless] } };
  },
});
