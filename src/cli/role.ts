import { parseArgs } from 'node:util';
import { readEnvironment } from '../../config/environment.ts';
import { homeLayout } from '../../config/home.ts';
import { giveBackWhenIdle } from './idle-memory.ts';

/** `fettle keeper | agent | hub`: one long-lived process each, started by the keeper or a service manager. */
export async function runRole(role: 'keeper' | 'agent' | 'hub', argv: readonly string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    // Only `--check` is followed by one.
    allowPositionals: argv.includes('--check'),
    options: {
      home: { type: 'string' },
      config: { type: 'string' },
      'parent-pipe': { type: 'boolean' },
      /** Hub and agent: show that this build can start, and end. */
      rehearse: { type: 'boolean' },
      /** The agent: say what its file allows, and end. */
      check: { type: 'boolean' },
      /** With it, the hub: the copy of the database that may be written to. */
      db: { type: 'string' },
    },
  });
  const environment = readEnvironment();
  if (!values.rehearse && !values.check) giveBackWhenIdle();
  const { defaultHome } = await import('./default-home.ts');
  const layout = homeLayout(values.home ?? environment.home ?? defaultHome(environment), environment.runtimeFolder);
  // Loaded where it is needed: what a role never says, it need not carry.
  const showError = async (error: unknown) => (await import('./show-error.ts')).showError(error);
  try {
    switch (role) {
      case 'keeper': {
        const [{ endOnCrash }, { createRedactor }] = await Promise.all([
          import('./crash.ts'),
          import('../domain/redact.ts'),
        ]);
        endOnCrash(process, (line) => console.error(createRedactor()(line)));
        const { EXIT_ENDED, exitCodeOf, runKeeper } = await import('../../agent/keeper/main.ts');
        try {
          const { VERSION } = await import('./version.ts');
          const code = await runKeeper({ layout, version: VERSION, parentPipe: values['parent-pipe'] === true });
          process.exit(code ?? EXIT_ENDED);
        } catch (error) {
          console.error(await showError(error));
          process.exit(exitCodeOf(error));
        }
        break;
      }
      case 'agent': {
        if (values.check) {
          const { checkPolicy } = await import('./policy/check.ts');
          process.exit(checkPolicy(layout, environment, positionals[0] ?? values.config));
        }
        const { rehearseAgent, startAgent } = await import('./agent.ts');
        if (values.rehearse) rehearseAgent({ layout, environment, config: values.config });
        else await startAgent({ layout, environment, config: values.config });
        break;
      }
      case 'hub': {
        const { rehearseHub, startHub } = await import('./hub.ts');
        if (values.rehearse) await rehearseHub({ layout, environment, config: values.config }, values.db);
        else await startHub({ layout, environment, config: values.config });
        break;
      }
    }
    process.exit(0);
  } catch (error) {
    console.error(await showError(error));
    if (!values.rehearse) process.exit(2);
    const [{ ConfigError }, { EXIT_CONFIG }] = await Promise.all([
      import('../../config/parse.ts'),
      import('../../agent/self/rehearse.ts'),
    ]);
    process.exit(error instanceof ConfigError ? EXIT_CONFIG : 2);
  }
}
