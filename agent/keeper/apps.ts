import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { FettleError } from '../../src/domain/errors.ts';
import { createApp } from './app.ts';
import type { App, AppDeps } from './contract.ts';
import { type KeepFile, newRecord } from './keep-file.ts';
import { type Log, reasonOf } from './log.ts';
import { createOnce } from './once.ts';
import { bootId } from './proc.ts';
import type { KeepSpec, KeptApp } from './protocol.ts';
import { forgetExit } from './run.ts';
import { type FoundProcess, scanProcesses } from './scan.ts';
import type { KeeperTimes } from './times.ts';

/** All kept apps. */
export interface Apps {
  /** @throws {FettleError} `unknown_app` */
  get(name: string): App;
  keep(name: string, spec: KeepSpec): Promise<void>;
  forget(name: string): Promise<void>;
  status(): Record<string, KeptApp>;
  /** Logs that grow. */
  logs(): string[];
  /** Goes on where an earlier keeper stopped: the agent first, then the hub, then the rest. */
  resume(): void;
  /** Nothing is started from now on. */
  beginEnding(): void;
  /** Ends all: the agent first, so that it doesn't interfere. They are started again by the next keeper. */
  stopAll(): Promise<void>;
  idle(): Promise<void>;
}

export interface AppsDeps {
  readonly home: string;
  readonly exits: string;
  readonly file: KeepFile;
  readonly times: KeeperTimes;
  readonly environment: NodeJS.ProcessEnv;
  readonly log: Log;
  /** Takes charge of these alone; of all unless given. */
  readonly only?: readonly string[];
}

const FIRST = ['agent', 'hub'];

/**
 * Finds what runs already (one look at all processes) and takes charge of it. Start ids begin with a mark of the home,
 * so that an app whose record was lost is found as well, and is not started a second time.
 */
export function createApps(deps: AppsDeps): Apps {
  const { file, log } = deps;
  const apps = new Map<string, App>();
  const lost = new Map<string, { startId: string; processes: readonly FoundProcess[] }>();
  const mark = createHash('sha256').update(deps.home).digest('hex').slice(0, 8);
  let ending = false;

  mkdirSync(deps.exits, { recursive: true, mode: 0o700 });
  adoptAll();

  function adoptAll(): void {
    const { found } = scanProcesses((id) => id.startsWith(`${mark}.`));
    for (const name of file.names()) {
      const record = file.get(name);
      const alive = [record?.startId, record?.nextStartId].find((id) => id && found.has(id));
      if (alive && alive === record?.nextStartId) {
        // The keeper ended between the spawn and the writing down.
        const started = { at: Date.now(), slot: '', boot: bootId() };
        file.note(name, { startId: alive, nextStartId: newStartId(name), desired: 'running', started });
      }
    }
    const known = new Set(file.names().flatMap((name) => file.get(name)?.startId ?? []));
    for (const [startId, processes] of found) {
      const name = startId.split('.')[1];
      if (known.has(startId) || name === undefined) continue;
      log(`ALARM ${name} runs (pid ${processes[0]?.pid}) but is not in keep.json`);
      const record = file.get(name);
      if (!record) lost.set(name, { startId, processes });
      else if (!found.has(record.startId ?? '')) file.note(name, { startId });
    }
    const ours = file.names().filter((name) => deps.only?.includes(name) ?? true);
    for (const name of ours) add(name, found.get(file.get(name)?.startId ?? '') ?? []);
    pruneExits();
  }

  function pruneExits(): void {
    const known = new Set(file.names().flatMap((name) => file.get(name)?.startId ?? []));
    for (const name of readdirSync(deps.exits)) if (!known.has(name)) forgetExit(join(deps.exits, name));
  }

  function newStartId(name: string): string {
    return `${mark}.${name}.${randomBytes(6).toString('hex')}`;
  }

  function add(name: string, found: readonly FoundProcess[]): App {
    const parts: AppDeps = {
      ...deps,
      name,
      newStartId,
      ending: () => ending,
      agentFailed() {
        for (const [other, held] of apps) if (other !== name) void held.expire();
      },
    };
    const app = file.get(name)?.spec.once ? createOnce(parts) : createApp(parts, found);
    apps.set(name, app);
    return app;
  }

  function get(name: string): App {
    const app = apps.get(name);
    if (!app) throw new FettleError('unknown_app', { data: { app: name } });
    return app;
  }

  return {
    get,
    async keep(name, spec) {
      const known = apps.get(name);
      const record = file.get(name);
      if (known && record) {
        if (record.spec.once === spec.once) return known.keep(spec);
        // Another kind of entry. A hold goes over to it; what was kept running no longer is, and the other way round.
        await known.replace({ ...newRecord(spec), hold: record.hold, startId: record.startId });
        return add(name, []).resume();
      }
      const stray = lost.get(name);
      const started = stray && { at: Date.now(), slot: '', boot: bootId() };
      file.settle(name, {
        ...newRecord(spec),
        ...(stray && started ? { startId: stray.startId, started, desired: 'running' } : {}),
      });
      lost.delete(name);
      add(name, stray?.processes ?? []);
    },
    async forget(name) {
      if (!apps.has(name)) return;
      await get(name).replace(undefined);
      apps.delete(name);
    },
    status: () => Object.fromEntries([...apps].map(([name, app]) => [name, app.status()])),
    logs: () => file.names().flatMap((name) => file.get(name)?.spec.log ?? []),
    resume() {
      const order = [...apps.keys()].toSorted((a, b) => rank(a) - rank(b));
      for (const name of order) {
        get(name)
          .resume()
          .catch((error: unknown) => log(`ALARM ${name}: ${reasonOf(error)}`));
      }
    },
    beginEnding() {
      ending = true;
    },
    async stopAll() {
      const stop = (name: string) =>
        get(name)
          .stop({ keepDesired: true })
          .catch((error: unknown) => log(`ALARM ${name} can't be stopped: ${reasonOf(error)}`));
      for (const name of apps.keys()) if (name === 'agent') await stop(name);
      await Promise.all([...apps.keys()].filter((name) => name !== 'agent').map(stop));
    },
    async idle() {
      await Promise.all([...apps.values()].map((app) => app.idle()));
    },
  };
}

function rank(name: string): number {
  const place = FIRST.indexOf(name);
  return place < 0 ? FIRST.length : place;
}
