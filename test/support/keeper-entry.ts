import { createKeeperLog } from '../../agent/keeper/log.ts';
import { exitCodeOf, runKeeper } from '../../agent/keeper/main.ts';
import { homeLayout } from '../../config/home.ts';

/** `node keeper-entry.ts [keeper] --home X [--runtime DIR] [--parent-pipe] [--times JSON]`: the keeper alone, for tests. */
const argument = (name: string) => {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : process.argv[at + 1];
};

try {
  process.exit(
    await runKeeper({
      layout: homeLayout(argument('--home') ?? '', argument('--runtime') ?? process.env.XDG_RUNTIME_DIR ?? ''),
      version: process.env.KEEPER_TEST_VERSION ?? '0.0.0-test',
      parentPipe: process.argv.includes('--parent-pipe'),
      times: JSON.parse(argument('--times') ?? process.env.KEEPER_TEST_TIMES ?? '{}'),
    }),
  );
} catch (error) {
  createKeeperLog(() => [])(error instanceof Error ? error.message : String(error));
  process.exit(exitCodeOf(error));
}
