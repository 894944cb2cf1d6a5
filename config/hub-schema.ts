import { z } from 'zod';
import { AppsSchema, deviceKeys, SelfSchema, UpdatesSchema } from './agent-schema.ts';
import { ChatsSchema, PhrasesSchema } from './chat-schema.ts';
import { SettingsSchema } from './settings-schema.ts';

/** `fettle.yaml`: one file serves hub and agent on one machine. Unknown keys are errors. */
export const HubSchema = z
  .strictObject({
    language: z
      .enum(['en', 'zh'])
      .default('en')
      .describe('Language of messages where a chat has none of its own. `settings.language` wins.'),
    defaultApp: z
      .string()
      .optional()
      .describe('The app that is meant when a command names none. `settings.defaultApp` wins.'),
    hub: z
      .strictObject({
        port: z
          .number()
          .int()
          .min(0)
          .max(65_535)
          .default(7_411)
          .describe('Port on loopback; 0 takes any free one and keeps it. FETTLE_PORT wins.'),
      })
      .prefault({})
      .describe('The hub itself.'),
    fettle: SelfSchema.prefault({}).describe('Updates of Fettle itself (the apps `hub` and `agent`).'),
    updates: UpdatesSchema.prefault({}).describe('How much updates may take of this device.'),
    chats: ChatsSchema.prefault({}),
    phrases: PhrasesSchema.default({}),
    settings: SettingsSchema.describe('What `/settings` shows. A value that was set in a chat wins over the one here.'),
    apps: AppsSchema.default({}).describe('The apps, by name.'),
    ...deviceKeys,
  })
  .superRefine((config, context) => {
    const message = `expected one of: ${Object.keys(config.apps).join(', ') || '(no apps yet)'}`;
    const known = (app: string | null | undefined) =>
      app === undefined || app === null || Object.hasOwn(config.apps, app);
    if (!known(config.defaultApp)) context.addIssue({ code: 'custom', path: ['defaultApp'], message });
    if (!known(config.settings.defaultApp)) {
      context.addIssue({ code: 'custom', path: ['settings', 'defaultApp'], message });
    }
  });
export type HubConfig = z.infer<typeof HubSchema>;
