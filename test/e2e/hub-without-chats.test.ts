import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const DIST = join(import.meta.dirname, '../../dist');
/** What is said in each library and nowhere else. */
const MARKS = {
  'the SDK of Feishu': 'tenant_access_token/internal',
  'discord.js': 'DiscordAPIError',
  grammY: 'GrammyError',
  undici: 'UND_ERR_INFO',
};

test('a hub without chats loads none of their libraries', () => {
  const chunks = new Map(
    readdirSync(DIST)
      .filter((name) => name.endsWith('.js'))
      .map((name) => [name, readFileSync(join(DIST, name), 'utf8')]),
  );
  const loaded = new Set<string>();
  const load = (name: string) => {
    if (loaded.has(name)) return;
    loaded.add(name);
    // Imported when it is loaded; `import(…)` is not.
    for (const [, next = ''] of (chunks.get(name) ?? '').matchAll(/(?:from|import)\s*["']\.\/([^"']+)["']/g))
      load(next);
  };
  const hub = [...chunks].filter(([, code]) => /export\{[^}]*\bstartHub\b/.test(code)).map(([name]) => name);
  expect(hub).toHaveLength(1);
  hub.forEach(load);
  expect(loaded.size).toBeGreaterThan(20);
  for (const [library, mark] of Object.entries(MARKS)) {
    const holders = [...chunks].filter(([, code]) => code.includes(mark)).map(([name]) => name);
    expect(holders.length, `a chunk with ${library}`).toBeGreaterThan(0);
    expect(
      holders.filter((name) => loaded.has(name)),
      library,
    ).toEqual([]);
  }
});
