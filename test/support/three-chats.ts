import { readFileSync } from 'node:fs';
import type { ChatPlatform } from './chat-platform.ts';
import { type ChatWorld, makeChatWorld } from './chat-world.ts';
import { startDiscord } from './discord/index.ts';
import { startFeishu } from './feishu/index.ts';
import { startTelegram } from './telegram/index.ts';
import { until } from './until.ts';

/** One hub of the shipped bundle that serves all three platforms at once. */
export interface ThreeChats {
  readonly world: ChatWorld;
  readonly chats: readonly ChatPlatform[];
  connected(): Promise<void>;
  /** Ends the hub without a word; resolves once another one serves all of them. */
  kill(): Promise<void>;
  /** Resolves once the hub has worked on all that it was told, and has said all that it had to say. */
  settled(limitMs?: number): Promise<void>;
  /** Of the hub now: memory in megabytes, and seconds of a processor since its start. */
  uses(): { readonly megabytes: number; readonly seconds: number };
  close(): Promise<void>;
}

const WAITS = "state in ('pending', 'dirty') and platform <> 'terminal'";

/** `people.anna` of each is an operator or more. @param more of each chat's section in fettle.yaml */
export async function makeThreeChats(more: Readonly<Record<string, unknown>> = {}): Promise<ThreeChats> {
  const telegram = await startTelegram();
  const others = [await startDiscord(), await startFeishu({ repeatMs: 2_000 })];
  const chats: readonly ChatPlatform[] = [telegram, ...others];
  const environment = Object.assign({}, ...chats.map((chat) => chat.environment));
  const sections = Object.fromEntries(chats.map((chat) => [chat.platform, { ...chat.config, ...more }]));
  const closeOthers = () => Promise.all(others.map((chat) => chat.close()));
  const world = await makeChatWorld(async () => ({ ...telegram, environment }), {
    chats: { ...sections, rate: { perMinute: 6_000, burst: 1_000 } },
  }).catch(async (error: unknown) => {
    await closeOthers();
    throw error;
  });
  const connected = async () => void (await Promise.all(chats.map((chat) => chat.connected())));
  const made: ThreeChats = {
    world,
    chats,
    connected,
    async kill() {
      await world.killHub();
      await connected();
    },
    async settled(limitMs = 60_000) {
      const open = () => [
        ...world.query<object>('select event_id, platform from inbox where done = 0'),
        ...world.query<object>('select id, state from updates where final_state is null'),
        ...world.query<object>(`select key, state, attempts, last_error from outbox where ${WAITS}`),
      ];
      await until('nothing to be left', () => open().length === 0, limitMs).catch((error: Error) => {
        throw new Error(`${error.message}\n${JSON.stringify(open()).slice(0, 2_000)}`);
      });
    },
    uses() {
      const pid = world.pidOf('hub');
      const kilobytes = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
        .replace(/^.*\) /, '')
        .split(' ');
      // utime and stime, in hundredths of a second (proc(5), `getconf CLK_TCK`).
      return { megabytes: Math.round(kilobytes / 1_024), seconds: (Number(fields[11]) + Number(fields[12])) / 100 };
    },
    async close() {
      await world.close();
      await closeOthers();
    },
  };
  try {
    await connected();
    for (const { platform, people } of others)
      await telegram.type(`/admin add ${platform}:${people.anna} operator`, { place: 'direct' });
    await until('the operators', () => world.query("select 1 from people where role = 'operator'").length === 2);
    await made.settled();
    return made;
  } catch (error) {
    await made.close();
    throw error;
  }
}
