/** `npm run model -- --seeds 100 [--from 1]`: the model-based test of hands-off updates, with more seeds. */
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: { seeds: { type: 'string', default: '20' }, from: { type: 'string', default: '1' } },
});
const env = { ...process.env, FETTLE_MODEL_SEEDS: values.seeds, FETTLE_MODEL_FIRST: values.from };
const { status } = spawnSync('vitest', ['run', 'test/integration/hands-off-model.test.ts'], { stdio: 'inherit', env });
process.exitCode = status ?? 1;
