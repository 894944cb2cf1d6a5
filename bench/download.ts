import { spawn } from 'node:child_process';
import { accessSync, constants, rmSync } from 'node:fs';
import { join } from 'node:path';
import { download as fetchArtifact } from '../agent/acquire/download.ts';
import { temporaryFolder } from './fettle.ts';
import { type Benchmark, median, ratioFigure, skipped, spread } from './figure.ts';
import { startHelper } from './helper.ts';
import type { Served } from './helpers/file-server.ts';
import { quiet } from './quiet.ts';

const BYTES = 200_000_000;
const ROUNDS = 9;
const BAR = 1.2;
const NEEDED = ['curl', 'openssl', 'sync'];

/**
 * An artifact downloaded, verified, written and durable, against the tools that a script would use. `sync FILE` and
 * not plain `sync`, which would wait for what other programs wrote.
 */
export const download: Benchmark = {
  name: 'download',
  about: 'download, verify, write and fsync of 200 MB, against curl, sync and openssl',
  async run(tools) {
    const missing = NEEDED.filter((name) => !isInstalled(name));
    if (missing.length > 0) return [skipped('download', 'ms', `no ${missing.join(', ')} on this machine`)];
    const folder = temporaryFolder(tools, 'download');
    const server = await startHelper<{ bytes: number }, Served>(tools, 'file-server.ts');
    const { port, sha256 } = await server.ask({ bytes: BYTES });
    const url = new URL(`http://127.0.0.1:${port}/artifact`);
    const to = join(folder, 'artifact');
    const byTools = async (): Promise<number> => {
      const began = performance.now();
      await run('curl', '--silent', '--show-error', '--fail', '--noproxy', '*', '--output', to, url.href);
      await run('sync', to);
      const said = await run('openssl', 'dgst', '-sha256', to);
      const took = performance.now() - began;
      if (!said.includes(sha256)) throw new Error('curl brought something else');
      return took;
    };
    const byFettle = async (): Promise<number> => {
      const began = performance.now();
      await fetchArtifact({
        url,
        to,
        sha256,
        size: BYTES,
        maxBytes: BYTES,
        signal: AbortSignal.timeout(120_000),
        progress: () => undefined,
        clock: { monotonic: () => performance.now() },
      });
      return performance.now() - began;
    };
    const measured = { tools: [] as number[], fettle: [] as number[] };
    for (let round = 0; round <= ROUNDS; round += 1) {
      const rounds = [
        { of: measured.tools, one: byTools },
        { of: measured.fettle, one: byFettle },
      ];
      for (const { of, one } of round % 2 === 0 ? rounds : rounds.reverse()) {
        rmSync(to, { force: true });
        await run('sync', folder);
        await quiet();
        const took = await one();
        // The first round warms both up.
        if (round > 0) of.push(took);
      }
      if (round > 0)
        tools.progress(
          `round ${round} of ${ROUNDS}: ${measured.fettle.at(-1)?.toFixed(0)} ms, tools ${measured.tools.at(-1)?.toFixed(0)} ms`,
        );
    }
    const note = `middle half ${spread(measured.fettle)}, tools ${spread(measured.tools)}; ${ROUNDS} rounds`;
    const floor = median(measured.tools);
    return [ratioFigure('download', { value: median(measured.fettle), floor, unit: 'ms', bar: BAR, note })];
  },
};

function isInstalled(name: string): boolean {
  return (process.env.PATH ?? '').split(':').some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

async function run(name: string, ...args: string[]): Promise<string> {
  const child = spawn(name, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    said += text;
  });
  const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
  if (code !== 0) throw new Error(`${name} ended with ${code}`);
  return said;
}
