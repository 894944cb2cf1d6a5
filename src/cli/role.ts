import { parseArgs } from 'node:util';
import { homeLayout } from '../../config/home.ts';
import { readEnvironment } from '../../config/load.ts';

/** `fettle keeper | agent | hub`: one long-lived process each, started by the keeper or a service manager. */
export async function runRole(role: 'keeper' | 'agent' | 'hub', argv: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...argv],
    options: { home: { type: 'string' }, config: { type: 'string' }, 'parent-pipe': { type: 'boolean' } },
  });
  const environment = readEnvironment();
  const { defaultHome } = await import('./default-home.ts');
  const layout = homeLayout(values.home ?? environment.home ?? defaultHome(environment), environment.runtimeFolder);
  const { showError } = await import('./show-error.ts');
  try {
    switch (role) {
      case 'keeper': {
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
        const { startAgent } = await import('./agent.ts');
        await startAgent({ layout, environment, config: values.config });
        break;
      }
      case 'hub': {
        const { startHub } = await import('./hub.ts');
        await startHub({ layout, environment, config: values.config });
        break;
      }
    }
    process.exit(0);
  } catch (error) {
    console.error(await showError(error));
    process.exit(2);
  }
}
