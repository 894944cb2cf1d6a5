import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readBackups } from '../../../agent/backup/manifest.ts';
import { faultsOf } from '../../../agent/backup/verify.ts';
import { type Check, note, ok, wrong } from './contract.ts';

const NAMED = 3;

/** Backups: that they are there and as large as their manifests say; with `--deep` every hash. */
export const backups: Check = {
  title: 'Backups',
  limitMs: 20_000,
  deepLimitMs: 60 * 60_000,
  async *look({ apps, layout, deep }, signal) {
    for (const app of apps) {
      const folder = layout.app(app).backups;
      if (!existsSync(folder)) continue;
      const found = readBackups(folder, app);
      let damaged = 0;
      for (const manifest of found.backups) {
        const path = join(folder, String(manifest.seq));
        let count = 0;
        for await (const fault of faultsOf(path, manifest, deep, signal)) {
          count += 1;
          if (count > NAMED) continue;
          yield wrong(
            `${app}/${manifest.seq}: ${fault.path}: ${fault.reason}`,
            count === 1
              ? `It can't be put back whole. \`fettle backup verify ${app} ${manifest.seq}\` names all of it.`
              : undefined,
          );
        }
        if (count > NAMED) yield wrong(`${app}/${manifest.seq}: and ${count - NAMED} more`);
        if (count > 0) damaged += 1;
      }
      for (const { name, reason } of found.strange) {
        yield note(
          `${app}: backups/${name} can't be put back: ${reason}`,
          'Its files may be good: see docs/recovery.md.',
        );
      }
      const whole = found.backups.length - damaged;
      if (whole > 0)
        yield ok(`${app}: ${whole} ${whole === 1 ? 'backup is' : 'backups are'} whole${deep ? ', every hash' : ''}`);
    }
  },
};
