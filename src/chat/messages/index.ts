import type { Language } from '../../domain/reply.ts';
import type { Messages } from './contract.ts';
import { en } from './en.ts';
import { zh } from './zh.ts';

/** The catalogue. A new language is one file and one line here. */
export const MESSAGES: Readonly<Record<Language, Messages>> = { en, zh };

export type { Messages, OutcomeLike, ProblemText, UpdateLike } from './contract.ts';
