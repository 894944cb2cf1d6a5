import type { AppConfig } from '../config/agent-schema.ts';
import type { HomeLayout } from '../config/home.ts';
import type { Policy } from './policy.ts';
import type { RestartDrivers } from './restart/index.ts';
import { endLeftovers } from './restart/leftovers.ts';
import { programsOf } from './restart/running.ts';

/** What the file says of its apps now is not what it said when they were started. */
export interface LetGo {
  /** Ends what the file no longer names: it would run on, and nobody could reach it. Never throws. */
  unnamed(busy: ReadonlySet<string>): Promise<void>;
  /**
   * Ends what is started by something else than before, so that it does not run twice. Never throws.
   * @param touched apps in mid-switch: whoever goes on with that starts them
   * @returns apps that must not be started, since something of them could not be ended
   */
  changed(touched: ReadonlySet<string>): Promise<ReadonlySet<string>>;
}

const HOW = { stop: { signal: 'SIGTERM', grace: 10_000 } } as const;

export function createLetGo(deps: {
  readonly layout: HomeLayout;
  readonly policy: Policy;
  readonly drivers: RestartDrivers;
  readonly log: (line: string) => void;
}): LetGo {
  const { layout, policy, drivers, log } = deps;
  const { kept } = drivers;

  async function change(app: string, config: AppConfig, touched: boolean): Promise<void> {
    const entry = await kept.status(app);
    if (!entry) return;
    const driver = drivers.of(app, config);
    const elsewhere = driver.kind === 'command' || driver.kind === 'systemd';
    if (elsewhere === (entry.once === true)) return;
    log(`${app}: \`restart\` has changed to ${driver.kind}: what was started before is ended, and started by that`);
    await kept.stop(app, config);
    // Started by a command or by systemd: of what the file said then nothing is known any more.
    if (!elsewhere) await endLeftovers(programsOf(app, layout.app(app), config), config, log);
    await driver.define(app, config);
    if (elsewhere && !touched) await driver.start(app);
  }

  return {
    async unnamed(busy) {
      for (const app of await kept.list()) {
        if (app === 'hub' || app === 'agent' || policy.app(app) || busy.has(app)) continue;
        log(`${app} is no longer in the configuration: it is stopped; its files stay`);
        try {
          await kept.stop(app, HOW);
          await kept.forget(app);
        } catch (error) {
          log(`${app} could not be stopped: ${String(error)}`);
        }
      }
    },
    async changed(touched) {
      const failed = new Set<string>();
      for (const [app, config] of Object.entries(policy.apps)) {
        try {
          await change(app, config, touched.has(app));
        } catch (error) {
          failed.add(app);
          log(`ALARM ${app} is started by something else now, and could not be handed over: ${String(error)}`);
        }
      }
      return failed;
    },
  };
}
