import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { LANGUAGES, type Language } from '../../../src/domain/reply.ts';
import { PLATFORMS } from './platforms.ts';
import { type Scene, scenes } from './scenes.ts';

/**
 * `node test/support/picture/main.ts [--out FOLDER] [--only NAME]`: draws docs/images/PLATFORM-LANGUAGE.png and update.png (an
 * update on each platform) with what the adapters send, in chromium. The machine needs fonts for Chinese and emoji
 * (Noto Sans SC, Noto Color Emoji).
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

/** Finer than it is wide, for screens of today; it is the first thing that people see of Fettle. */
const FINE = 1.75;
/** A column is as wide as a phone, nearly. */
const WIDE = 1_020;

interface Picture {
  readonly name: string;
  readonly width: number;
  readonly scale: number;
  readonly html: string;
}

async function drawn(platform: string, language: Language, names: readonly Scene['name'][], command?: string) {
  const { look, payload } = platformNamed(platform);
  const all = scenes(language, platform);
  const parts = names.map(async (name) => {
    const scene = all.find((one) => one.name === name);
    if (!scene) throw new Error(`no scene is called ${name}`);
    const said = scene.said === undefined ? undefined : (command ?? scene.said);
    return (said === undefined ? '' : look.said(said)) + look.card(await payload(scene.reply));
  });
  return `<div class="column">${(await Promise.all(parts)).join('')}</div>`;
}

function platformNamed(name: string) {
  const platform = PLATFORMS[name];
  if (!platform) throw new Error(`no platform is called ${name}`);
  return platform;
}

async function cards(name: string, language: Language): Promise<Picture> {
  const columns = await Promise.all(COLUMNS.map((names) => drawn(name, language, names)));
  const style = `body { width: ${WIDTH}px; } .page { display: flex; gap: 20px; padding: 20px; align-items: flex-start; } .column { flex: 1; min-width: 0; }
    ${platformNamed(name).look.style}`;
  return {
    name: `${name}-${language}`,
    width: WIDTH,
    scale: 1,
    html: document(language, style, `<div class="page">${columns.join('')}</div>`),
  };
}

/** The same update in each chat, beside each other: as it was asked for, under way, done. */
async function update(): Promise<Picture> {
  const chats: readonly (readonly [string, Language, string])[] = [
    ['feishu', 'zh', '飞书 Feishu'],
    ['discord', 'en', 'Discord'],
    ['telegram', 'en', 'Telegram'],
  ];
  const columns = await Promise.all(
    chats.map(async ([name, language, title]) => {
      const said = language === 'zh' ? undefined : '/update now web';
      const inner = await drawn(name, language, ['progress', 'result'], said);
      return `<div class="chat"><div class="title">${title}</div><div class="on-${name}">${inner}</div></div>`;
    }),
  );
  // Each platform's style holds in its own column.
  const styles = chats.map(([name]) => `.on-${name} { ${platformNamed(name).look.style.replace('body {', '& {')} }`);
  const style = `body { width: ${WIDE}px; background: transparent; } .page { display: flex; gap: 14px; align-items: stretch; }
    .chat { flex: 1; min-width: 0; display: flex; flex-direction: column; border: 1px solid #d0d7de; border-radius: 12px; overflow: hidden; box-sizing: border-box; }
    .title { background: #fff; color: #1f2329; font-weight: 600; font-size: 14px; text-align: center; padding: 7px; line-height: 20px; height: 20px; border-bottom: 1px solid #d0d7de; }
    .chat > :last-child { flex: 1; padding: 14px 12px; } ${styles.join('\n')}
    .on-discord { font-size: 14px; }`;
  return {
    name: 'update',
    width: WIDE,
    scale: FINE,
    html: document('en', style, `<div class="page">${columns.join('')}</div>`),
  };
}

function document(language: Language, style: string, body: string): string {
  return `<!doctype html><html lang="${language}"><meta charset="utf-8"><style>
    * { font-family: "Liberation Sans", "Noto Sans SC", "Noto Sans CJK SC", "Noto Color Emoji", sans-serif; }
    pre, code, pre *, code * { font-family: "DejaVu Sans Mono", "Noto Sans SC", monospace; }
    body { margin: 0; overflow-wrap: anywhere; } .column { display: flex; flex-direction: column; gap: 14px; }
    ${style}</style>${body}
    <script>document.title = String(Math.ceil(document.querySelector('.page').getBoundingClientRect().height));</script></html>`;
}

/** Without a font, chromium draws empty boxes and says nothing. */
function needFonts(): void {
  const needed = { 'Noto Sans SC': ':charset=66f4', 'Noto Color Emoji': ':charset=2705' };
  for (const [font, pattern] of Object.entries(needed)) {
    const found = execFileSync('fc-list', [pattern, 'family'], { encoding: 'utf8', timeout: 60_000 });
    if (found.trim() === '')
      throw new Error(`no font has these characters: install ${font} (in ~/.local/share/fonts), then fc-cache`);
  }
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

const pictures = async (): Promise<readonly Picture[]> => [
  await update(),
  ...(await Promise.all(Object.keys(PLATFORMS).flatMap((name) => LANGUAGES.map((language) => cards(name, language))))),
];

needFonts();
const folder = mkdtempSync(join(tmpdir(), 'fettle-picture-'));
try {
  mkdirSync(values.out, { recursive: true });
  for (const { name, html, width, scale } of await pictures()) {
    if (values.only !== undefined && !name.startsWith(values.only)) continue;
    const file = join(folder, `${name}.html`);
    writeFileSync(file, html);
    const size = (height: number) => `--window-size=${width},${height}`;
    // As wide and as fine as it will be: the height depends on it.
    const look = [`--force-device-scale-factor=${scale}`, '--default-background-color=00000000'];
    const measured = chromium(folder, [size(900), ...look, '--dump-dom', `file://${file}`]);
    const height = Number(/<title>(\d+)<\/title>/.exec(measured)?.[1]);
    if (!Number.isInteger(height)) throw new Error(`${name}: chromium did not measure it`);
    const picture = join(values.out, `${name}.png`);
    chromium(folder, [`--screenshot=${picture}`, size(height), ...look, `file://${file}`]);
    console.log(`${picture}: ${width} × ${height}, ${Math.round(statSync(picture).size / 1_000)} kB`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
