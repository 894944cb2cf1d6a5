import { z } from 'zod';
import { argument, defineCommand } from './contract.ts';
import { runningVersions } from './suggestion.ts';

const EN = {
  pinned: (app: string, version: string) => `${app} is held at ${version}`,
  already: (app: string, version: string) => `${app} is held at ${version} already`,
  means: 'Nothing updates it to another version, neither by itself nor by /update now.',
  notRunning: (runs: string) => `It runs ${runs}; nothing was changed about that.`,
  absent: 'It is not installed yet.',
  before: (version: string) => `Before, it was held at ${version}.`,
};
const ZH: typeof EN = {
  pinned: (app, version) => `${app} 已固定在 ${version}`,
  already: (app, version) => `${app} 已经固定在 ${version}`,
  means: '无论自动更新还是 /update now，都不会更新到其他版本。',
  notRunning: (runs) => `现在运行的是 ${runs}，没有改动。`,
  absent: '它尚未安装。',
  before: (version) => `之前固定在 ${version}。`,
};
const TEXT = { en: EN, zh: ZH };

/** `/update pin`: holds a version. */
export const pin = defineCommand({
  name: 'update pin',
  phrases: ['固定版本', 'pin'],
  role: 'operator',
  args: z.object({
    app: argument(z.string(), { kind: 'app', help: { en: 'what to hold', zh: '要固定的应用' } }),
    version: argument(z.string().optional(), {
      kind: 'version',
      help: { en: 'which version; without one, the one that runs', zh: '哪个版本；省略则为正在运行的版本' },
    }),
  }),
  help: { en: 'Holds a version: no update to another one', zh: '固定版本：不更新到其他版本' },
  examples: [
    { text: '/update pin web', help: { en: 'the version that runs', zh: '固定正在运行的版本' } },
    { text: '/update pin web@2.0.1', help: { en: 'a given one', zh: '固定指定版本' } },
  ],
  async run(context, { app, version }) {
    const text = TEXT[context.language];
    const held = await context.services.choices.pin(app, version, context, context.signal);
    const same = held.before === held.version;
    const running = runningVersions(app, await context.services.devices());
    const differs = running.find((one) => one !== held.version);
    return {
      reply: {
        tone: 'good',
        title: (same ? text.already : text.pinned)(app, held.version),
        text: [
          text.means,
          ...(differs !== undefined ? [text.notRunning(differs)] : running.length === 0 ? [text.absent] : []),
          ...(held.before !== undefined && !same ? [text.before(held.before)] : []),
        ],
        hints: [
          ...(differs !== undefined || running.length === 0 ? [`/update now ${app}@${held.version}`] : []),
          `/update unpin ${app}`,
        ],
      },
    };
  },
});
