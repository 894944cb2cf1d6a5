import { realpathSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { AppConfig, SelfConfig } from '../../config/agent-schema.ts';
import type { AppFolder, HomeLayout } from '../../config/home.ts';
import { SELF_APPS, type SelfApp } from '../../src/domain/app.ts';
import { readLink, readTrimmed, switchLink } from '../../src/files/durable.ts';
import type { Check } from '../health/contract.ts';
import { processCheck } from '../health/process.ts';
import type { RestartDriver } from '../restart/contract.ts';
import { findUser, makeReachable } from '../restart/user.ts';
import { releaseOf, slotOf } from '../updater/prepare.ts';
import type { SelfParts } from '../updater/task.ts';
import { agentWorks } from './agent-works.ts';
import { createAgentCheck, createHubCheck } from './checks.ts';
import { selfAppConfig } from './config.ts';
import { finishSlot } from './finish.ts';
import { rehearse } from './rehearse.ts';
import type { SelfRestart } from './restart.ts';

/** Fettle's own apps on this device: the agent, and the hub where one is kept here. */
export interface Self {
  /** Those that are here. Known once {@link Self.look} has resolved. */
  readonly apps: Readonly<Record<string, AppConfig>>;
  /** Finds out which are here. */
  look(): Promise<void>;
  parts(app: SelfApp): SelfParts;
  driver(app: SelfApp): RestartDriver;
  /** The slot that this process runs from. */
  runs(): string | undefined;
  /** Has the keeper follow this agent, where the last update ended before it did. Never throws. */
  followUp(): Promise<void>;
  readonly restart: SelfRestart;
}

export interface SelfDeps {
  readonly layout: HomeLayout;
  readonly config: SelfConfig;
  /** The file that it is from, where that is not the home's own. */
  readonly configFile: string | undefined;
  /** Of this agent. */
  readonly version: string;
  /** Node.js that runs this agent. */
  readonly node: string;
  /** The program that this process was started with. */
  readonly program: string | undefined;
  readonly basicEnvironment: Readonly<Record<string, string>>;
  readonly restart: SelfRestart;
  /** The driver of kept apps; `undefined` where there is no keeper. */
  readonly kept: RestartDriver | undefined;
  readonly connectedTo: () => string | undefined;
  readonly reconnect: () => void;
  readonly redact: (text: string) => string;
  readonly log: (line: string) => void;
}

export function createSelf(deps: SelfDeps): Self {
  const { layout, config } = deps;
  const present: Record<string, AppConfig> = {};
  const runsFrom = slotOfProgram(deps.program, layout.app('agent').releases);
  const runs = () => runsFrom;
  const startedAt = Date.now();

  async function reached(withinMs: number, signal: AbortSignal): Promise<boolean> {
    const end = performance.now() + withinMs;
    while (deps.connectedTo() === undefined && performance.now() < end) await delay(100, undefined, { signal });
    return deps.connectedTo() !== undefined;
  }

  const works = agentWorks({ restart: deps.restart, runs, reached, pointKeeper: () => pointKeeper(layout) });
  const checks: Readonly<Record<SelfApp, readonly Check[]>> = {
    hub: [
      processCheck,
      createHubCheck({
        port: () => {
          const port = Number(readTrimmed(layout.hub.port));
          return Number.isInteger(port) && port > 0 ? port : undefined;
        },
        connectedTo: deps.connectedTo,
        reconnect: deps.reconnect,
      }),
    ],
    agent: [createAgentCheck({ version: deps.version, connectedTo: deps.connectedTo })],
  };

  const nobody = async () => undefined;
  const agentDriver: RestartDriver = {
    kind: 'kept',
    define: nobody,
    forget: nobody,
    hold: nobody,
    release: nobody,
    stop: nobody,
    start: async () => running(),
    list: async () => ['agent'],
    pids: async () => [process.pid],
    // Whoever asks runs.
    status: async () => ({
      desired: 'running',
      running: running(),
      hold: null,
      crashes: 0,
      lastExit: null,
      ...(await fellBack()),
    }),
  };
  const fellBack = async () => {
    const { fellBack, fellBackFor } = await deps.restart.fellBack();
    return { fellBack, ...(fellBackFor ? { fellBackFor } : {}) };
  };
  const running = () => ({ startId: '', pid: process.pid, slot: runs() ?? '', at: startedAt });

  function folderOf(app: SelfApp): AppFolder {
    const folder = layout.app(app);
    // Its data is the hub's own folder: what is backed up of it is found there.
    return app === 'hub' ? { ...folder, shared: layout.hub.dir } : folder;
  }

  return {
    apps: present,
    runs,
    restart: deps.restart,
    async followUp() {
      try {
        // A start script that went back from a keeper that did not start has pointed elsewhere: that is respected.
        const pointed = readLink(layout.keeper.current);
        if (runsFrom === undefined || pointed === undefined || basename(pointed) !== runsFrom) return;
        if ((await deps.restart.keeperVersion()) !== deps.version) await deps.restart.renewKeeper();
      } catch (error) {
        deps.log(`the keeper was not renewed: ${String(error)}`);
      }
    },
    async look() {
      for (const app of SELF_APPS) {
        const installed = readLink(layout.app(app).current) !== undefined;
        const kept = app === 'agent' || (await deps.kept?.status(app)) !== undefined;
        if (installed && kept) present[app] = selfAppConfig(app, config, layout.hub.user);
        else delete present[app];
      }
    },
    driver(app) {
      if (app === 'agent' || !deps.kept) return agentDriver;
      // How the hub is started is the business of whoever set it up, and the same for each of its releases.
      return { ...deps.kept, define: nobody, forget: nobody };
    },
    parts: (app) => ({
      app,
      folder: folderOf(app),
      checks: checks[app],
      works: app === 'agent' ? works : {},
      finish(task) {
        finishSlot({
          app,
          slot: task.slots.path(slotOf(task)),
          version: releaseOf(task).version,
          node: realpathSync(deps.node),
          nodeVersion: process.versions.node,
          runtimes: layout.runtimes,
        });
      },
      async rehearse(task, signal) {
        const user = layout.hub.user === undefined ? undefined : findUser(layout.hub.user);
        if (user) makeReachable(layout, app, user, []);
        await rehearse({
          app,
          version: task.entry.toVersion ?? '',
          slot: task.slots.path(slotOf(task)),
          home: layout.home,
          config: deps.configFile,
          db: layout.hub.db,
          asHub: app === 'hub' && user ? { script: layout.keeper.asHub, dir: layout.hub.dir } : undefined,
          tmp: layout.app(app).tmp,
          env: deps.basicEnvironment,
          redact: deps.redact,
          signal,
        });
      },
      needed: () => (app === 'agent' ? keeperSlots(layout) : []),
    }),
  };
}

/** Slots of the agent that the keeper runs from, or goes back to. */
export function keeperSlots(layout: HomeLayout): string[] {
  return [layout.keeper.current, layout.keeper.lastGood].flatMap((link) => {
    const target = readLink(link);
    return target === undefined ? [] : [basename(target)];
  });
}

/** The keeper runs from the agent's slot by a pointer of its own, so that it is not restarted when the agent is. */
export function pointKeeper(layout: HomeLayout): void {
  const target = relative(layout.keeper.dir, realpathSync(layout.app('agent').current));
  const before = readLink(layout.keeper.current);
  if (before === target) return;
  if (before !== undefined) {
    try {
      realpathSync(join(layout.keeper.dir, before));
      switchLink(layout.keeper.lastGood, before);
    } catch {
      // It points nowhere: nothing to go back to.
    }
  }
  switchLink(layout.keeper.current, target);
}

/** The slot that a program was started from; `undefined` where it is in none (a checkout). */
export function slotOfProgram(program: string | undefined, releases: string): string | undefined {
  if (program === undefined) return undefined;
  try {
    const [real, folder] = [realpathSync(program), realpathSync(releases)];
    return real.startsWith(`${folder}/`) ? real.slice(folder.length + 1).split('/')[0] : undefined;
  } catch {
    return undefined;
  }
}
