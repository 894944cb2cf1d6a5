/** `fettle init` alone, as a process that a test can kill: HOME, then what the command line takes, as JSON. */
import { readEnvironment } from '../../config/environment.ts';
import { homeLayout } from '../../config/home.ts';
import { initFromFlags } from '../../src/cli/init/flags.ts';

const [home = '', target = '', flags = '{}'] = process.argv.slice(2);
process.exitCode = await initFromFlags(
  target,
  { keep: [], leave: [], stopPid: [], ...(JSON.parse(flags) as object) },
  { layout: homeLayout(home, home), environment: readEnvironment(), config: undefined },
);
