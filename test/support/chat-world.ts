import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { stringify } from 'yaml';
import { publish } from '../../src/cli/publish.ts';
import { writeArchive } from './artifact.ts';
import type { ChatPlatform, SeenMessage } from './chat-platform.ts';
import { freePort } from './free-port.ts';
import { type Home, makeHome } from './home.ts';
import { until } from './until.ts';

/**
 * A hub of the shipped bundle that serves a chat platform on this machine, with two apps: `web` is updated in a moment,
 * `slow` takes long enough for its progress to be seen.
 */

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
/** Answers with its version; 9.x never gets well. */
const SERVER = (version: string) => `import { createServer } from 'node:http';
const status = '${version}'.startsWith('9.') ? 500 : 200;
if (status === 500) console.error('no luck: the colour is wrong');
createServer((_, response) => {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ version: '${version}' }));
}).listen(process.env.PORT, '127.0.0.1');
process.on('SIGTERM', () => process.exit(0));
`;

export interface ChatWorld {
  readonly home: Home;
  readonly chat: ChatPlatform;
  /** Puts a release on offer. */
  release(app: 'web' | 'slow' | 'vault', version: string, notes?: string): Promise<void>;
  pidOf(role: 'hub' | 'agent' | 'keeper'): number | undefined;
  /** Ends the hub without a word; resolves once another one serves. */
  killHub(): Promise<void>;
  /** Resolves once nothing is left to be said in the chat. */
  quiet(): Promise<void>;
  query<T>(sql: string): T[];
  execute(sql: string): void;
  /** Resolves with the newest message of the bot that fits, once there is one after `from`. */
  shown(what: string, fits: (message: SeenMessage) => boolean, from?: number, limitMs?: number): Promise<SeenMessage>;
  close(): Promise<void>;
}

export const APPS = ['web', 'slow', 'vault'] as const;

/** Starts everything and makes `people.anna` an admin, by the code that `fettle claim` prints. */
export async function makeChatWorld(
  start: () => Promise<ChatPlatform>,
  more: Readonly<Record<string, unknown>> = {},
): Promise<ChatWorld> {
  const chat = await start();
  const home = makeHome();
  Object.assign(home.env, chat.environment);
  const folder = (app: string) => join(home.layout.home, 'published', app);
  const release: ChatWorld['release'] = async (app, version, notes) => {
    mkdirSync(folder(app), { recursive: true });
    const path = join(home.layout.home, `${app}-${version}.tar.gz`);
    await writeArchive(path, [{ name: 'server.mjs', content: SERVER(version) }]);
    await publish({
      folder: folder(app),
      app,
      version,
      files: [{ platform: 'any', path }],
      clock,
      ...(notes === undefined ? {} : { notes }),
    });
  };
  const apps: Record<string, unknown> = {};
  for (const app of APPS) {
    await release(app, '1.0.0');
    const port = await freePort();
    apps[app] = {
      source: `folder ${folder(app)}`,
      install: '1.0.0',
      run: 'node server.mjs',
      env: { PORT: port },
      healthy: {
        http: `http://127.0.0.1:${port}/`,
        version: '.version',
        for: app === 'slow' ? '5s' : '300ms',
        every: '100ms',
      },
      deadlines: { probing: app === 'slow' ? '20s' : '6s' },
      ...(app === 'vault' ? { approval: 'second' } : {}),
    };
  }
  writeFileSync(
    home.layout.config,
    stringify({
      chats: { [chat.platform]: chat.config, rate: { perMinute: 6_000, burst: 1_000 } },
      settings: { notify: 'failures' },
      apps,
      ...more,
    }),
  );
  const pidOf: ChatWorld['pidOf'] = (role) =>
    home.processes().find((p) => p.command.includes(` ${role} --home`) && !p.command.startsWith('/bin/sh'))?.pid;
  const withStore = <T>(readonly: boolean, work: (db: BetterSqlite3.Database) => T): T => {
    const db = new BetterSqlite3(home.layout.hub.db, { readonly, timeout: 5_000 });
    try {
      return work(db);
    } finally {
      db.close();
    }
  };
  const world: ChatWorld = {
    home,
    chat,
    release,
    pidOf,
    async killHub() {
      const pid = pidOf('hub');
      if (pid !== undefined) process.kill(pid, 'SIGKILL');
      await until('another hub', () => {
        const now = pidOf('hub');
        return now !== undefined && now !== pid;
      });
      await chat.connected();
    },
    query: (sql) => withStore(true, (db) => db.prepare(sql).all() as never),
    quiet: async () => {
      const open = "select 1 from outbox where platform <> 'terminal' and state in ('pending', 'dirty')";
      await until('quiet', () => world.query(open).length === 0);
    },
    execute: (sql) => withStore(false, (db) => void db.exec(sql)),
    shown: (what, fits, from = 0, limitMs = 30_000) =>
      until(
        `${what} in the chat`,
        () =>
          chat
            .messages()
            .slice(from)
            .findLast((message) => fits(message)),
        limitMs,
      ).catch((error: Error) => {
        throw new Error(`${error.message}\n${chat.transcript().slice(-3_000)}\n${hubLog(home)}`);
      }),
    async close() {
      await home.close();
      await chat.close();
    },
  };
  try {
    const up = await home.fettle(['up', '--detach']);
    if (up.code !== 0) throw new Error(`fettle up: ${up.err}${up.out}`);
    await chat.connected();
    const { out } = await home.fettle(['claim']);
    const code = /\/admin claim (\S+)/.exec(out)?.[1];
    if (code === undefined) throw new Error(`fettle claim said: ${out}`);
    const claim = await chat.type(`/admin claim ${code}`, { place: 'direct' });
    await until('an admin', () => world.query("select * from people where role = 'admin'").length > 0);
    // Its answer is written with its being done: before that it would be quiet too soon.
    const done = `select 1 from inbox where event_id = '${claim}' and done = 1`;
    await until('the end of the claim', () => world.query(done).length > 0);
    await world.quiet();
    return world;
  } catch (error) {
    const log = hubLog(home);
    await world.close();
    throw new Error(`${error instanceof Error ? error.message : String(error)}\n${log}`, { cause: error });
  }
}

function hubLog(home: Home): string {
  try {
    return readFileSync(home.layout.appLog('hub'), 'utf8').slice(-3_000);
  } catch {
    return '';
  }
}
