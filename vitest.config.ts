import { defineConfig } from 'vitest/config';
import { ClosingLine } from './test/support/closing-line.ts';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // Tests start real processes; more at once than cores only makes deadlines meaningless.
    maxWorkers: 2,
    reporters: ['default', new ClosingLine()],
  },
});
