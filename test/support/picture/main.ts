import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { LANGUAGES, type Language } from '../../../src/domain/reply.ts';
import { PLATFORMS } from './platforms.ts';
import { type Scene, scenes } from './scenes.ts';

/**
 * `node test/support/picture/main.ts [--out FOLDER] [--only PLATFORM]`: draws docs/images/PLATFORM-LANGUAGE.png with what the
 * adapters send, in chromium. The machine needs fonts for Chinese and emoji (Noto Sans SC, Noto Color Emoji).
 */

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: resolve(import.meta.dirname, '../../../docs/images') },
    only: { type: 'string' },
  },
});

/** Two columns, as two people's phones beside each other. */
const COLUMNS: readonly (readonly Scene['name'][])[] = [
  ['available', 'progress', 'result'],
  ['approval', 'lock', 'failure'],
];
const WIDTH = 880;

async function page(name: string, language: Language): Promise<string> {
  const platform = PLATFORMS[name];
  if (!platform) throw new Error(`no platform is called ${name}`);
  const { look, payload } = platform;
  const all = scenes(language);
  const columns = await Promise.all(
    COLUMNS.map(async (names) => {
      const drawn = await Promise.all(
        names.map(async (one) => {
          const scene = all.find((s) => s.name === one);
          if (!scene) return '';
          const said = scene.said === undefined ? '' : look.said(scene.said);
          return said + look.card(await payload(scene.reply));
        }),
      );
      return `<div class="column">${drawn.join('')}</div>`;
    }),
  );
  return `<!doctype html><html lang="${language}"><meta charset="utf-8"><style>
    * { font-family: "Liberation Sans", "Noto Sans SC", "Noto Sans CJK SC", "Noto Color Emoji", sans-serif; }
    pre, code, pre *, code * { font-family: "DejaVu Sans Mono", "Noto Sans SC", monospace; }
    body { margin: 0; width: ${WIDTH}px; } .page { display: flex; gap: 20px; padding: 20px; align-items: flex-start; }
    .column { flex: 1; min-width: 0; display: flex; flex-direction: column; gap: 14px; }
    ${look.style}</style><div class="page">${columns.join('')}</div>
    <script>document.title = String(document.querySelector('.page').offsetHeight);</script></html>`;
}

/** Runs chromium, which needs about a second. */
function chromium(folder: string, more: readonly string[]): string {
  const always = ['--headless', '--no-sandbox', '--disable-gpu', '--hide-scrollbars'];
  const profile = `--user-data-dir=${join(folder, 'profile')}`;
  const options = { encoding: 'utf8', timeout: 60_000, maxBuffer: 1e8 } as const;
  return execFileSync('chromium', [...always, profile, ...more], {
    ...options,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}

const folder = mkdtempSync(join(tmpdir(), 'fettle-picture-'));
try {
  mkdirSync(values.out, { recursive: true });
  for (const name of Object.keys(PLATFORMS).filter((one) => values.only === undefined || one === values.only)) {
    for (const language of LANGUAGES) {
      const file = join(folder, `${name}-${language}.html`);
      writeFileSync(file, await page(name, language));
      const height = Number(/<title>(\d+)<\/title>/.exec(chromium(folder, ['--dump-dom', `file://${file}`]))?.[1]);
      if (!Number.isInteger(height)) throw new Error(`${name}-${language}: chromium did not measure it`);
      const picture = join(values.out, `${name}-${language}.png`);
      chromium(folder, [`--screenshot=${picture}`, `--window-size=${WIDTH},${height}`, `file://${file}`]);
      console.log(`${picture}: ${WIDTH} × ${height}, ${Math.round(statSync(picture).size / 1_000)} kB`);
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
