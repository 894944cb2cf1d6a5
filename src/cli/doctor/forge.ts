import type { AppConfig } from '../../../config/agent-schema.ts';
import { describeSource } from '../../domain/app.ts';
import type { ForgeSource } from '../../domain/forge.ts';
import { archiveEnding } from '../../origin/feed-format.ts';
import type { ForgeDeps } from '../../origin/forge-api.ts';
import { pickAsset } from '../../origin/forge-assets.ts';
import { digestOf } from '../../origin/forge-digests.ts';
import { machineLibc } from '../../origin/forge-libc.ts';
import { releaseOf } from '../../origin/forge-releases.ts';
import { showError } from '../show-error.ts';
import { type Finding, note, ok, wrong } from './contract.ts';

/** Of a source on GitHub or Gitea: which file would this machine take, and what vouches for it? */
export async function fileFinding(
  deps: ForgeDeps,
  source: ForgeSource,
  { app, version, config }: { readonly app: string; readonly version: string; readonly config: AppConfig },
  signal: AbortSignal,
): Promise<Finding | undefined> {
  try {
    const release = await releaseOf(deps, source, version, { signal });
    if (!release) return undefined;
    const executable = config.binary !== undefined;
    const platform = `${process.platform}-${process.arch}`;
    const asset = pickAsset(source, release, { platform, libc: machineLibc, executable });
    const by = asset.sha256 === undefined ? 'a file with checksums' : 'the API';
    const sha256 = await digestOf(deps, source, release, asset, { signal });
    const what = `${app} ${version} would be ${asset.name} here${archiveEnding(asset.name) === undefined ? ' (an executable)' : ''}`;
    if (sha256 !== undefined) return ok(`${what}; ${by} says its sha256`);
    const signed = release.assets.some(({ name }) => name === `${asset.name}.minisig`);
    return signed
      ? note(`${what}; nothing says its sha256, only ${asset.name}.minisig vouches for it`)
      : wrong(
          `${what}, but nothing says its sha256, so it is not installed`,
          `Publish SHA256SUMS or ${asset.name}.minisig beside it (${describeSource(source)}).`,
        );
  } catch (error) {
    if (signal.aborted) return undefined;
    return wrong(await showError(error));
  }
}
