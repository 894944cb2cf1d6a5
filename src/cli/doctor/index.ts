import type { Environment } from '../../../config/environment.ts';
import type { HomeLayout } from '../../../config/home.ts';
import { machineClock } from '../npm-tools.ts';
import { audit } from './audit.ts';
import { backups } from './backups.ts';
import { chats } from './chats.ts';
import { configuration } from './configuration.ts';
import { type Check, type Facts, type Finding, wrong } from './contract.ts';
import { database } from './database.ts';
import { devices } from './devices.ts';
import { readFacts } from './facts.ts';
import { home } from './home.ts';
import { hub } from './hub.ts';
import { keeper } from './keeper.ts';
import { machine } from './machine.ts';
import { services } from './services.ts';
import { slots } from './slots.ts';
import { sources } from './sources.ts';
import { updates } from './updates.ts';
import { users } from './users.ts';

/** Every group of checks, in the order in which they are printed. A new one is a file and a line here. */
const CHECKS: readonly Check[] = [
  machine,
  home,
  configuration,
  slots,
  updates,
  backups,
  keeper,
  services,
  users,
  hub,
  devices,
  chats,
  database,
  audit,
  sources,
];

export interface DoctorOptions {
  readonly layout: HomeLayout;
  readonly environment: Environment;
  readonly config: string | undefined;
  /** One JSON object instead of lines. */
  readonly json?: boolean;
  /** Compare the hashes of backups, too. */
  readonly deep?: boolean;
  /** Ask nobody outside this machine. */
  readonly offline?: boolean;
  readonly say: (line: string) => void;
}

/** A group with what was found. */
interface Group {
  readonly title: string;
  readonly findings: readonly Finding[];
}

/**
 * Looks at everything that a set-up needs and says what is wrong and how to mend it. Changes nothing, and works with
 * everything stopped as well as with everything running. 1 where something is wrong.
 */
export async function runDoctor(options: DoctorOptions): Promise<number> {
  const { say, json } = options;
  const facts = await readFacts({ ...options, clock: machineClock });
  const groups: Group[] = [];
  // All begin at once: what waits for a network must not wait for a disk as well.
  const running = CHECKS.map((check) => run(check, facts));
  for (const [index, group] of running.entries()) {
    const findings = await group;
    const title = CHECKS[index]?.title ?? '';
    groups.push({ title, findings });
    if (json || findings.length === 0) continue;
    say(title);
    for (const finding of findings) for (const line of lines(finding)) say(line);
  }
  const count = groups.flatMap(({ findings }) => findings).filter(({ level }) => level === 'wrong').length;
  if (json) say(JSON.stringify({ home: facts.layout.home, wrong: count, groups }));
  else say(count === 0 ? 'In fine fettle.' : `${count} ${count === 1 ? 'thing is' : 'things are'} wrong.`);
  return count === 0 ? 0 : 1;
}

async function run(check: Check, facts: Facts): Promise<Finding[]> {
  const findings: Finding[] = [];
  const limitMs = (facts.deep ? check.deepLimitMs : undefined) ?? check.limitMs;
  const limit = AbortSignal.timeout(limitMs);
  const late = new Promise<never>((_, reject) => {
    limit.addEventListener('abort', () => reject(limit.reason), { once: true });
  });
  const look = async () => {
    for await (const finding of check.look(facts, limit)) if (!limit.aborted) findings.push(finding);
  };
  try {
    await Promise.race([look(), late]);
  } catch (error) {
    const reason = limit.aborted
      ? `This took longer than ${limitMs / 1_000} s and was given up`
      : `This could not be looked at: ${(error as Error).message}`;
    findings.push(wrong(reason, limit.aborted ? 'Look whether a disk or a network hangs.' : undefined));
  }
  return findings;
}

function lines({ level, what, mend }: Finding): string[] {
  const word = { ok: 'ok   ', note: 'note ', wrong: 'WRONG' }[level];
  return [`  ${word}  ${what}`, ...(mend === undefined ? [] : [`         → ${mend}`])];
}
