import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { ClosingLine } from './test/support/closing-line.ts';
import { LongFirst } from './test/support/long-first.ts';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // What is shown in parts elsewhere, and takes minutes as a whole: `npm run test:long`.
    exclude: process.env.FETTLE_LONG
      ? []
      : ['test/e2e/clones.test.ts', 'test/e2e/audit.test.ts', 'test/e2e/enrol-service.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Tests start real processes, and half of the time they wait for them: twice the cores of a small machine.
    maxWorkers: 4,
    sequence: { sequencer: LongFirst },
    // Agents and keepers are started from their sources hundreds of times: half of each start is compiling.
    env: { NODE_COMPILE_CACHE: join(import.meta.dirname, 'node_modules', '.cache', 'compiled') },
    reporters: ['default', new ClosingLine()],
  },
});
