import type { Kysely } from 'kysely';
import { LANGUAGES, type Language } from '../domain/reply.ts';
import { readMeta, writeMeta } from '../store/meta.ts';
import type { Database } from '../store/schema.ts';
import type { Request } from './contract.ts';

/**
 * In which language somebody is answered: that of the platform's account where it tells, that in which the text is
 * written, that of the person's last request (a press on a button tells nothing), in this order. Kept over restarts.
 */
export interface Languages {
  /**
   * `undefined` where nothing is known of the person. Also notes what the request says.
   *
   * @param keep over restarts too: not of strangers, of whom there may be any number
   */
  of(
    platform: string,
    request: Pick<Request, 'person' | 'locale' | 'text'>,
    keep: boolean,
  ): Promise<Language | undefined>;
}

/** People of a hub; more are forgotten until they write again. */
const MOST = 1_000;

export function createLanguages(db: Kysely<Database>): Languages {
  const known = new Map<string, Language | undefined>();
  /** As it is in the store. */
  const kept = new Map<string, Language | undefined>();
  return {
    async of(platform, { person, locale, text }, keep) {
      const key = `language:${platform}:${person}`;
      if (!known.has(key)) {
        if (known.size >= MOST) for (const all of [known, kept]) all.clear();
        const before = await readMeta(db, key);
        const language = LANGUAGES.find((one) => one === before);
        known.set(key, language);
        kept.set(key, language);
      }
      const told = locale ?? languageOf(text);
      if (told !== undefined) known.set(key, told);
      const now = known.get(key);
      if (keep && now !== undefined && now !== kept.get(key)) {
        await writeMeta(db, key, now);
        kept.set(key, now);
      }
      return told ?? known.get(key);
    },
  };
}

/** Han characters without kana: Chinese. Anything else may be a command in any language. */
function languageOf(text: string): Language | undefined {
  return /\p{Script=Han}/u.test(text) && !/[\p{Script=Hiragana}\p{Script=Katakana}]/u.test(text) ? 'zh' : undefined;
}
