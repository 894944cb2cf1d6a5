import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/crash/full/**'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // Tests start real processes; more at once than cores only makes deadlines meaningless.
    maxWorkers: 2,
  },
});
