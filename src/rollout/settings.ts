import type { Kysely } from 'kysely';
import type { Asker, Preferences, SettingChange, SettingView } from '../commands/index.ts';
import { FettleError } from '../domain/errors.ts';
import type { Clock } from '../domain/id.ts';
import { SETTING_KEYS, SETTING_TEXTS, type SettingKey } from '../domain/setting-texts.ts';
import type { HubSettings, SettingsReader } from '../domain/settings.ts';
import type { Setting, SettingsCatalogue } from '../domain/settings-catalogue.ts';
import { addAudit, auditOfEvent } from '../store/audit.ts';
import type { Database } from '../store/schema.ts';
import { listSettings, removeSetting, type StoredSetting, saveSetting } from '../store/settings.ts';

/** The settings as they count: what a chat said, else the file, else the default. One transaction a change. */
export interface Settings extends SettingsReader, Preferences {}

export interface SettingsDeps {
  readonly db: Kysely<Database>;
  readonly clock: Pick<Clock, 'now'>;
  readonly catalogue: SettingsCatalogue;
  /** What the configuration file says. */
  readonly file: Partial<HubSettings>;
  readonly log: (line: string) => void;
}

/** Longer values are cut in errors. */
const SHOWN = 60;

/**
 * Reads what was set before. A stored key or value that this version does not understand (written by a newer or an
 * older hub, or an app that is gone) is passed over with a line in the log, and kept.
 */
export async function createSettings({ db, clock, catalogue, file, log }: SettingsDeps): Promise<Settings> {
  const listeners = new Set<(settings: HubSettings) => void>();
  /** What was set in a chat and is understood. */
  let chat = new Map<SettingKey, StoredSetting>();
  /** Everything that was set, also what is not understood. */
  let stored = new Map<string, string>();
  let current: HubSettings;
  /** Changes are made one after the other, so that `current` is what was stored last. */
  let last: Promise<unknown> = Promise.resolve();

  const settingOf = (key: SettingKey) => catalogue[key] as Setting<unknown>;
  const withoutChat = (key: SettingKey) => (file[key] === undefined ? settingOf(key).fallback : file[key]);
  const written = (key: SettingKey) => settingOf(key).write(current[key]);

  function take(rows: readonly StoredSetting[], onIgnored: (row: StoredSetting) => void): void {
    chat = new Map();
    stored = new Map(rows.map((row) => [row.key, row.value]));
    const values: Partial<Record<SettingKey, unknown>> = {};
    for (const key of SETTING_KEYS) values[key] = withoutChat(key);
    for (const row of rows) {
      const key = SETTING_KEYS.find((known) => known === row.key);
      const value = key && settingOf(key).parse(row.value);
      if (key === undefined || value === undefined) {
        onIgnored(row);
        continue;
      }
      chat.set(key, row);
      values[key] = value;
    }
    current = values as HubSettings;
  }

  take(await listSettings(db), ({ key, value }) =>
    log(`the setting ${key} = ${value} is not understood by this version; it is kept, and what counts is the default`),
  );

  function change(
    key: SettingKey,
    asker: Asker,
    after: string | undefined,
    work: (trx: Kysely<Database>, at: number) => Promise<void>,
  ): Promise<SettingChange> {
    const run = async (): Promise<SettingChange> => {
      const { who, route, eventId } = asker;
      const fallback = settingOf(key).write(withoutChat(key));
      const done = await auditOfEvent(db, { eventId, by: who.id });
      if (done) return { before: done.before ?? fallback, after: done.after ?? fallback };
      const before = written(key);
      if (stored.get(key) === after) return { before, after: before };
      const at = clock.now();
      await db.transaction().execute(async (trx) => {
        await work(trx, at);
        const entry = { at, by: who.id, byName: who.name, route, eventId, action: 'settings', target: key };
        await addAudit(trx, { ...entry, before, after });
      });
      take(await listSettings(db), () => undefined);
      for (const listener of listeners) tell(listener);
      return { before, after: written(key) };
    };
    const result = last.then(run);
    last = result.catch(() => undefined);
    return result;
  }

  /** A listener that fails is its own trouble: the change is made, and the others hear of it. */
  function tell(listener: (settings: HubSettings) => void): void {
    try {
      listener(current);
    } catch (error) {
      log(`a change of settings could not be taken up: ${String(error)}`);
    }
  }

  return {
    current: () => current,
    onChange(listener) {
      // Each call is a listener of its own, even where it is the same function.
      const own = (settings: HubSettings) => listener(settings);
      listeners.add(own);
      return () => void listeners.delete(own);
    },
    list: () =>
      SETTING_KEYS.map((key): SettingView => {
        const set = chat.get(key);
        const fromFile = file[key] !== undefined;
        return {
          key,
          value: written(key),
          origin: set ? 'chat' : fromFile ? 'file' : 'default',
          changed: set && { byName: set.changed.byName, at: set.changed.at },
          otherwise: { value: settingOf(key).write(withoutChat(key)), origin: fromFile ? 'file' : 'default' },
        };
      }),
    async set(key, text, asker) {
      const value = settingOf(key).parse(text);
      if (value === undefined) {
        const expected = SETTING_TEXTS[key].expected.en;
        throw new FettleError('bad_setting', { data: { key, value: text.slice(0, SHOWN), expected } });
      }
      const after = settingOf(key).write(value);
      return change(key, asker, after, (trx, at) =>
        saveSetting(trx, { key, value: after, changed: { at, by: asker.who.id, byName: asker.who.name } }),
      );
    },
    reset: (key, asker) => change(key, asker, undefined, (trx) => removeSetting(trx, key)),
  };
}
