import { expect, test } from 'vitest';
import { startFleet, whyNoFleet } from '../support/fleet.ts';

/** Devices in network namespaces of their own join by one line. */

const why = whyNoFleet();

test.skipIf(why !== undefined)(
  `a fleet joins by one line${why === undefined ? '' : `: not run, ${why}`}`,
  async () => {
    const fleet = await startFleet(2);
    try {
      expect(new Set(fleet.typed.map(({ line }) => line)).size).toBe(2);
      // Both hosts are called the same.
      expect(fleet.list).toMatch(/robot-1 +online +site=lab/);
      expect(fleet.list).toMatch(/robot-1-2 +online +site=lab/);
    } finally {
      await fleet.close();
    }
  },
  300_000,
);
