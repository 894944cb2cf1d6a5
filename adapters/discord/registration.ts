import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { MenuCommand, PlatformDeps, Sink } from '../../src/chat/contract.ts';
import { type Api, type Failure, failureOf } from './api.ts';
import { slashCommands } from './commands.ts';
import { jsonOf } from './payloads.ts';

/**
 * Registers the commands with Discord where they differ from what was registered last: one PUT replaces all ("bulk
 * overwrite"). What is registered, and where, is remembered, so that a place that is served no more loses its commands.
 */

const KEY = 'commands';
const GLOBAL = 'global';

const KeptSchema = z.object({ application: z.string(), places: z.record(z.string(), z.string()) });

export interface Registration {
  /** What could not be done, and where; empty: all is as it should be. */
  run(
    application: string,
    signal: AbortSignal,
  ): Promise<readonly { readonly place: string; readonly failure: Failure }[]>;
}

export function createRegistration(options: {
  readonly api: Api;
  readonly commands: readonly MenuCommand[];
  readonly guilds: readonly string[] | undefined;
  readonly memory: Sink['memory'];
  readonly log: PlatformDeps['log'];
}): Registration {
  const { api, guilds, memory, log } = options;
  const commands = slashCommands(options.commands);
  const digest = createHash('sha256').update(JSON.stringify(commands)).digest('base64url').slice(0, 22);
  const wanted = guilds && guilds.length > 0 ? guilds : [GLOBAL];

  async function remembered(application: string): Promise<Record<string, string>> {
    const text = await memory.get(KEY);
    const parsed = KeptSchema.safeParse(jsonOf(text));
    return parsed.success && parsed.data.application === application ? { ...parsed.data.places } : {};
  }

  return {
    async run(application, signal) {
      const places = await remembered(application);
      const failures: { place: string; failure: Failure }[] = [];
      const keep = (place: string, value: string | undefined) => {
        if (value === undefined) delete places[place];
        else places[place] = value;
        return memory.set(KEY, JSON.stringify({ application, places }));
      };
      const put = async (place: string, body: readonly unknown[]) => {
        // Known as unsure first: whoever is killed in between does it again, or takes it back.
        await keep(place, '');
        const where = place === GLOBAL ? '' : `/guilds/${place}`;
        try {
          await api.rest.put(`/applications/${application}${where}/commands`, { body, signal });
          return undefined;
        } catch (error) {
          return failureOf(error);
        }
      };
      for (const place of wanted) {
        if (places[place] === digest) continue;
        const failure = await put(place, commands);
        if (failure) {
          failures.push({ place, failure });
          continue;
        }
        await keep(place, digest);
        log('discord_commands', { place, commands: commands.length });
      }
      for (const place of Object.keys(places).filter((one) => !wanted.includes(one))) {
        const failure = await put(place, []);
        // A server that the bot has left shows no commands.
        if (!failure || failure.kind === 'refused') await keep(place, undefined);
      }
      return failures;
    },
  };
}
