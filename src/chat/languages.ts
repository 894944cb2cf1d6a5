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
  /** `undefined` where nothing is known of the person. Also notes what the request says. */
  of(platform: string, request: Pick<Request, 'person' | 'locale' | 'text'>): Promise<Language | undefined>;
}

/** People of a hub; more are forgotten until they write again. */
const MOST = 1_000;

export function createLanguages(db: Kysely<Database>): Languages {
  const known = new Map<string, Language | undefined>();
  return {
    async of(platform, { person, locale, text }) {
      const key = `language:${platform}:${person}`;
      if (!known.has(key)) {
        if (known.size >= MOST) known.clear();
        const kept = await readMeta(db, key);
        known.set(
          key,
          LANGUAGES.find((language) => language === kept),
        );
      }
      const told = locale ?? languageOf(text);
      if (told !== undefined && told !== known.get(key)) {
        known.set(key, told);
        await writeMeta(db, key, told);
      }
      return told ?? known.get(key);
    },
  };
}

/** Han characters without kana: Chinese. Anything else may be a command in any language. */
function languageOf(text: string): Language | undefined {
  return /\p{Script=Han}/u.test(text) && !/[\p{Script=Hiragana}\p{Script=Katakana}]/u.test(text) ? 'zh' : undefined;
}
