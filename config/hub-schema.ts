import { z } from 'zod';
import { AppsSchema, SelfSchema } from './agent-schema.ts';

/** `fettle.yaml`: one file serves hub and agent on one machine. Unknown keys are errors. */
export const HubSchema = z
  .strictObject({
    language: z.enum(['en', 'zh']).default('en').describe('Language of messages where a chat has none of its own.'),
    defaultApp: z.string().optional().describe('The app that is meant when a command names none.'),
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
    apps: AppsSchema.default({}).describe('The apps, by name.'),
  })
  .superRefine((config, context) => {
    if (config.defaultApp !== undefined && !Object.hasOwn(config.apps, config.defaultApp)) {
      context.addIssue({
        code: 'custom',
        path: ['defaultApp'],
        message: `expected one of: ${Object.keys(config.apps).join(', ') || '(no apps yet)'}`,
      });
    }
  });
export type HubConfig = z.infer<typeof HubSchema>;
