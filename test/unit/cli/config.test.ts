import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { homeLayout } from '../../../config/home.ts';
import { parseConfig } from '../../../config/load.ts';
import { checkConfig } from '../../../src/cli/config/check.ts';
import { EXAMPLES } from '../../../src/cli/config/examples.ts';
import { explainConfig } from '../../../src/cli/config/explain.ts';
import { editorSchema, nodeAt } from '../../../src/cli/config/schema.ts';
import { createAskProgram } from '../../../src/cli/init/ask.ts';
import { addApp, removeApp } from '../../../src/cli/init/yaml.ts';
import { FettleError } from '../../../src/domain/errors.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'fettle-config-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const file = () => join(home, 'fettle.yaml');

async function check(text: string, name = 'fettle.yaml'): Promise<{ code: number; lines: string[] }> {
  const file = () => join(home, name);
  writeFileSync(file(), text);
  const lines: string[] = [];
  const code = await checkConfig({
    layout: homeLayout(home, home),
    ask: createAskProgram({ PATH: process.env.PATH ?? '' }, AbortSignal.timeout(20_000)),
    path: process.env.PATH ?? '',
    file: file(),
    variables: {},
    json: false,
    print: (line) => lines.push(line.replace(`${file()}:`, '')),
  });
  return { code, lines };
}

function explain(what: string | undefined): string {
  const lines: string[] = [];
  const print = (line: string) => lines.push(line);
  explainConfig({ layout: homeLayout(home, home), file: file(), what, json: false, print });
  return lines.join('\n');
}

describe('config check', () => {
  test('names every wrong key with its line, what is expected there and what is nearest, inside values with two forms too', async () => {
    const { code, lines } = await check(
      'apps:\n  web:\n    sorce: npm x\n    run: x\n    healthy: {for: 5}\n    backup: {pathz: [a]}\n    restart: {start: a}\n',
    );
    expect(code).toBe(1);
    expect(lines[0]).toMatch(/^3: apps\.web\.sorce: no such key here; .*Did you mean source\?$/);
    expect(lines.join('\n')).toMatch(/5: apps\.web\.healthy\.for: expected a duration/);
    expect(lines.join('\n')).toMatch(/6: apps\.web\.backup\.pathz: no such key here; .*Did you mean paths\?/);
    expect(lines.at(-1)).toMatch(/^[45] things are wrong\.$/);
  });

  test('a chat without its secret, and a Feishu app with an id that the SDK passes over in silence', async () => {
    const { code, lines } = await check('chats:\n  telegram: {}\n  feishu: {appId: cli_short}\n');
    expect(code).toBe(1);
    expect(lines[0]).toContain(`2: chats.telegram: there is no token: ${join(home, 'telegram.token')} is not there`);
    expect(lines[0]).toContain('fettle chats add telegram');
    writeFileSync(join(home, 'feishu.secret'), 'x');
    const told = await check('chats:\n  feishu: {appId: cli_short}\n');
    expect(told.lines[0]).toMatch(/^2: chats\.feishu\.appId: expected cli_ and 16 hexadecimal digits/);
  });

  test('says what this machine lacks, and what two apps want', async () => {
    writeFileSync(join(home, 'flat'), 'no program');
    const { code, lines } = await check(`apps:
  web:
    source: folder nowhere
    run: /no/such/program
    healthy: {http: "http://127.0.0.1:7411/"}
  robot:
    source: npm x
    binary: flat
    user: nobody-knows
    healthy: {tcp: 8099}
  bot:
    run: node x
    env: {PORT: 8098}
    keep: [data, data/x]
    healthy: {http: "http://localhost:8099/"}
`);
    expect(code).toBe(1);
    const text = lines.join('\n');
    for (const expected of [
      /3: apps\.web\.source: there is no folder .*nowhere/,
      /4: apps\.web\.run: \/no\/such\/program is not there/,
      /5: apps\.web\.healthy\.http: port 7411 is that of the hub, too/,
      /8: apps\.robot\.binary: .*flat is not executable\. chmod/,
      /9: apps\.robot\.user: this machine has no user nobody-knows/,
      /note: apps\.bot\.source: there is none/,
      /14: apps\.bot\.keep\.1: data\/x lies in data/,
      /15: apps\.bot\.healthy\.http: port 8099 is that of robot, too/,
      /15: note: apps\.bot\.healthy\.http: port 8099 is asked, and env\.PORT says 8098/,
    ])
      expect(text).toMatch(expected);
  });

  test('keys and no source are for a device of a hub elsewhere; a file with a hub has to say where releases are', async () => {
    const app = `apps:\n  web:\n    run: node x\n    healthy: {tcp: 8099}\n    keys: [RWQ${'A'.repeat(53)}]\n`;
    const { code, lines } = await check(app);
    expect(code).toBe(0);
    expect(lines[0]).toMatch(
      /^2: note: apps\.web\.source: there is none: .*never updated\. Add `source: feed URL`.*agent\.yaml/,
    );
    expect(await check(app, 'agent.yaml')).toEqual({ code: 0, lines: [expect.stringContaining('nothing is wrong')] });
  });

  test('says that a file with a token is missing, or open to others', async () => {
    const app =
      'apps:\n  web:\n    run: node x\n    healthy: {tcp: 8099}\n    source: {github: acme/web, tokenFile: token}\n';
    expect((await check(app)).lines.join('\n')).toMatch(/5: apps\.web\.source\.tokenFile: there is no file .*token/);
    writeFileSync(join(home, 'token'), 'x', { mode: 0o644 });
    expect((await check(app)).lines.join('\n')).toMatch(/5: note: .*others on this machine may read .*chmod 600/);
    chmodSync(join(home, 'token'), 0o600);
    expect(await check(app)).toEqual({ code: 0, lines: [expect.stringContaining('nothing is wrong')] });
  });

  test('finds nothing in a file that is right; a file that is not there is said', async () => {
    mkdirSync(join(home, 'releases'));
    const right = await check('apps:\n  web: {source: folder releases, run: node x, healthy: {tcp: 8099}}\n');
    expect(right).toEqual({ code: 0, lines: [expect.stringContaining('nothing is wrong')] });
    rmSync(file());
    await expect(checkConfig({ file: file() } as never)).rejects.toThrow(FettleError);
  });
});

describe('config explain', () => {
  test('a key: what it means, its default, what it is set to and where; values of variables are not shown', () => {
    writeFileSync(
      file(),
      'apps:\n  web:\n    run: node x\n    env: {TOKEN: secret-value}\n    healthy:\n      for: 7s\n',
    );
    for (const key of ['healthy.for', 'apps.NAME.healthy.for', 'apps.web.healthy.for']) {
      expect(explain(key)).toMatch(
        /probe period[\s\S]*default {2}10s[\s\S]*apps\.web\.healthy\.for: 7s {3}\(.*fettle\.yaml:6\)/,
      );
    }
    expect(explain('env') + explain('apps') + explain('apps.web') + explain('env.TOKEN')).not.toContain('secret-value');
    expect(() => explain('helthy.for')).toThrow(/Did you mean healthy\.for\?/);
    expect(explain(undefined)).toContain('web');
  });

  test('an app: how it is treated', () => {
    writeFileSync(
      file(),
      'apps:\n  web:\n    source: npm sirv-cli\n    run: sirv\n    keep: [data]\n    healthy: {http: "http://127.0.0.1:8099/"}\n',
    );
    expect(explain('web')).toMatch(
      /npm sirv-cli, channel stable[\s\S]*what npm sirv-cli says itself[\s\S]*nothing yet[\s\S]*8099\/ answers 2xx; 3 times in a row and for 10s[\s\S]*data, in [\s\S]*before each switch: data/,
    );
  });
});

describe('the JSON Schema', () => {
  test('each example is understood by the reader of the file, and is at a key that there is', () => {
    for (const [key, values] of Object.entries(EXAMPLES)) {
      expect(nodeAt(key.split('.')), key).toBeDefined();
      for (const value of values) {
        const config: Record<string, unknown> = { apps: { mybot: { run: 'x' } } };
        if (['apps.NAME.file', 'apps.NAME.data'].includes(key)) put(config, 'apps.mybot.binary', '/opt/x');
        if (String(value).startsWith('feed ')) put(config, 'apps.mybot.trust', 'source');
        if (['apps.NAME.refs', 'apps.NAME.signedBy'].includes(key)) put(config, 'apps.mybot.source', 'git ./mybot');
        if (key === 'tools.NAME.args') put(config, 'tools.mybot.run', ['/usr/bin/systemctl', 'restart', '{unit}']);
        else if (key.startsWith('tools.')) put(config, 'tools.mybot.run', ['/bin/true']);
        if (key === 'apps.NAME.backup') put(config, 'apps.mybot.keep', ['data']);
        if (key === 'apps.NAME.healthy.version') put(config, 'apps.mybot.healthy.http', 'http://127.0.0.1:1/');
        put(config, key.replace('NAME', 'mybot'), value);
        expect(() => parseConfig(JSON.stringify(config), file()), `${key}: ${JSON.stringify(value)}`).not.toThrow();
        expect(problems(editorSchema() as Schema, config), key).toEqual([]);
      }
    }
  });

  test('marks what is wrong where it is wrong', () => {
    const of = (app: object) => problems(editorSchema() as Schema, { apps: { mybot: app } });
    expect(of({ sorce: 'npm x' })).toEqual(['apps.mybot.sorce']);
    expect(of({ healthy: { for: '5' } })).toEqual(['apps.mybot.healthy.for']);
    expect(of({ downgrade: 'never' })).toEqual(['apps.mybot.downgrade']);
    expect(of({ keep: 'data' })).toEqual(['apps.mybot.keep']);
    expect(problems(editorSchema() as Schema, { apps: { '1x': {} } })).toEqual(['apps.1x']);
  });
});

describe('lines of an app in the file', () => {
  const entry =
    '# /srv/x, taken over by `fettle init`. Undo: fettle init --undo x\nx:\n  run: node x\n  # healthy: {http: "…"}   # why';
  test.each([
    ['apps in a block, with comments', '# top\napps:\n  # first\n  a:\n    run: b   # why\n\nlanguage: zh\n'],
    ['indented by four, no end of line', 'apps:\n    a:\n        run: b'],
    ['a list at the end of the block', 'apps:\n  a:\n    run: b\n    keep:\n      - data\n      - .env\n# end\n'],
    ['text over several lines', 'apps:\n  a:\n    run: >-\n      b\n      c\n\n'],
    ['no apps', 'language: zh   # ours\n'],
    ['apps without any', 'language: zh\napps: {}\n'],
  ])('%s', (_name, text) => {
    const added = addApp(text, 'x', entry);
    expect(parseConfig(added, file()).apps.x?.run).toBe('node x');
    for (const line of text.split('\n').filter((one) => one.trim() !== '' && one !== 'apps: {}'))
      expect(added).toContain(line);
    const removed = removeApp(added, 'x') ?? '';
    expect(parseConfig(removed, file())).toEqual(parseConfig(text, file()));
    for (const comment of text.match(/#.*/g) ?? []) expect(removed).toContain(comment);
    expect(removed).not.toContain('fettle init');
  });

  test('apps in braces', () => {
    const added = addApp('apps: {a: {run: b}}   # mine\n', 'x', entry);
    expect(Object.keys(parseConfig(added, file()).apps)).toEqual(['a', 'x']);
    expect(Object.keys(parseConfig(removeApp(added, 'x') ?? '', file()).apps)).toEqual(['a']);
  });
});

function put(into: Record<string, unknown>, key: string, value: unknown): void {
  const parts = key.split('.');
  let at = into;
  for (const part of parts.slice(0, -1)) {
    at[part] ??= {};
    at = at[part] as Record<string, unknown>;
  }
  at[parts.at(-1) ?? ''] = value;
}

interface Schema {
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly prefixItems?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly propertyNames?: Schema;
  readonly additionalProperties?: Schema | boolean;
  readonly required?: readonly string[];
}

/** Where a value breaks a schema, as JSON Schema 2020-12 has the keywords that ours uses. */
function problems(schema: Schema, value: unknown, at = ''): string[] {
  const kind = Array.isArray(value)
    ? 'array'
    : value === null
      ? 'null'
      : Number.isInteger(value)
        ? 'integer'
        : typeof value;
  const types = [schema.type ?? []].flat();
  if (types.length > 0 && !types.includes(kind) && !(kind === 'integer' && types.includes('number'))) return [at];
  if (schema.enum && !schema.enum.includes(value)) return [at];
  if (schema.const !== undefined && schema.const !== value) return [at];
  if (schema.anyOf?.every((one) => problems(one, value, at).length > 0)) return [at];
  if (typeof value === 'string' && schema.pattern && !new RegExp(schema.pattern).test(value)) return [at];
  if (typeof value === 'number' && (value < (schema.minimum ?? value) || value > (schema.maximum ?? value)))
    return [at];
  const below = (key: string | number) => (at === '' ? String(key) : `${at}.${key}`);
  if (Array.isArray(value))
    return value.flatMap((item, index) =>
      problems(schema.prefixItems?.[index] ?? schema.items ?? {}, item, below(index)),
    );
  if (kind !== 'object') return [];
  const entries = Object.entries(value as object);
  const missing = (schema.required ?? []).filter((key) => !entries.some(([name]) => name === key)).map(below);
  return [
    ...missing,
    ...entries.flatMap(([key, inner]) => {
      if (schema.propertyNames && problems(schema.propertyNames, key).length > 0) return [below(key)];
      const of = schema.properties?.[key] ?? schema.additionalProperties;
      if (of === false) return [below(key)];
      return typeof of === 'object' ? problems(of, inner, below(key)) : [];
    }),
  ];
}
