import { z } from 'zod';
import { parseListen } from '../src/domain/listen.ts';
import { isLoopback } from '../src/domain/loopback.ts';
import { AgentSchema, AppsSchema, deviceKeys, SelfSchema, UpdatesSchema } from './agent-schema.ts';
import { ChatsSchema, PhrasesSchema } from './chat-schema.ts';
import { SettingsSchema } from './settings-schema.ts';

function isPublicUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password, hostname, search, hash } = new URL(text);
  const secure = protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname));
  return secure && `${username}${password}${search}${hash}` === '';
}

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
        listen: z
          .string()
          .refine((text) => parseListen(text) !== undefined, 'expected HOST or HOST:PORT, for example 0.0.0.0:7412')
          .optional()
          .describe(
            'Where devices reach the hub, beside that port: `0.0.0.0`, or an address of this machine; port 7412 unless it names one. Off this machine it needs `tls`, or `publicUrl`.',
          ),
        publicUrl: z
          .string()
          .refine(isPublicUrl, 'expected an https:// address without a name, password or query')
          .optional()
          .describe(
            'What devices dial, where that is another address: a proxy that has the certificate, or a name of this machine.',
          ),
        tls: z
          .union([
            z.literal('self-signed'),
            z.strictObject({
              cert: z
                .string()
                .min(1)
                .describe('File with the certificate and those between it and its authority, PEM.'),
              key: z.string().min(1).describe('File with its private key, PEM.'),
            }),
          ])
          .optional()
          .describe(
            'The certificate of `listen`. `self-signed`: the hub makes one, and devices know it by its fingerprint. Files are beside this file, and read again when they change.',
          ),
      })
      .superRefine(({ listen, publicUrl, tls }, context) => {
        const issue = (key: string, message: string) => context.addIssue({ code: 'custom', path: [key], message });
        if (tls !== undefined && listen === undefined)
          issue('tls', 'expected with `listen`, for example `listen: 0.0.0.0`');
        const at = listen === undefined ? undefined : parseListen(listen);
        if (at && !at.loopback && tls === undefined && publicUrl === undefined)
          issue(
            'listen',
            'expected with `tls: self-signed`, `tls: {cert: FILE, key: FILE}`, or the `publicUrl` of a proxy in front of it: without TLS anybody on the way reads along',
          );
      })
      .prefault({})
      .describe('The hub itself.'),
    fettle: SelfSchema.prefault({}).describe('Updates of Fettle itself (the apps `hub` and `agent`).'),
    updates: UpdatesSchema.prefault({}).describe('How much updates may take of this device.'),
    allowInsecure: AgentSchema.shape.allowInsecure,
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
