import { existsSync, readFileSync, rmSync } from 'node:fs';
import { z } from 'zod';
import type { HomeLayout } from '../../config/home.ts';
import { writeDurably } from '../../src/files/durable.ts';
import { joinedFile } from './files.ts';
import type { AuditLog } from './log.ts';
import { keyId } from './said.ts';

/**
 * To which hub this device was joined, and with which key: on disk before it counts, beside the log, because `fettle enroll`
 * may come while an agent lives, which alone writes the log.
 */

const Joined = z.object({
  device: z.string(),
  name: z.string(),
  address: z.string(),
  /** Of the hub's key. */
  key: z.string(),
  /** Of the device's own. */
  own: z.string(),
  newKey: z.boolean(),
  uid: z.number().optional(),
});
export type Joined = z.infer<typeof Joined>;

const fileOf = ({ agent }: HomeLayout) => joinedFile(agent.dir);

/** Durable when it returns. @throws the system's error */
export function noteJoined(
  layout: HomeLayout,
  joined: Omit<Joined, 'key' | 'own'> & { readonly hubKey: string; readonly ownKey: string },
): void {
  const { hubKey, ownKey, ...about } = joined;
  const line = { ...about, key: keyId(hubKey), own: keyId(ownKey) } satisfies Joined;
  const before = existsSync(fileOf(layout)) ? readFileSync(fileOf(layout), 'utf8') : '';
  writeDurably(fileOf(layout), `${before}${JSON.stringify(line)}\n`, 0o600);
}

/**
 * Takes what was noted into the log. Only for who holds the agent's lock. Cut off in between, it is there twice.
 * @throws what `append` says; it stays noted then
 */
export function takeJoined(layout: HomeLayout, log: Pick<AuditLog, 'append'>): void {
  if (!existsSync(fileOf(layout))) return;
  for (const line of readFileSync(fileOf(layout), 'utf8').split('\n').slice(0, -1)) {
    const read = Joined.safeParse(parsed(line));
    if (read.success) log.append({ what: 'joined', ...read.data });
  }
  rmSync(fileOf(layout), { force: true });
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
