/** What chat, commands and adapters pass around: plain, serialisable data. Pure. */

/** Languages that messages exist in. */
export const LANGUAGES = ['en', 'zh'] as const;
export type Language = (typeof LANGUAGES)[number];

/** One text in every language. */
export type Localized = Readonly<Record<Language, string>>;

/** Where a reply goes. Serialisable: it is in the store before the first reply is sent. */
export interface Route {
  readonly platform: string;
  readonly chat: string;
  readonly thread?: string | undefined;
  /** The message that is answered. */
  readonly message?: string | undefined;
  /** Nobody else reads it. */
  readonly direct?: true | undefined;
}

/** Is it read by one person alone? What is for somebody's eyes, such as the end of an app's log, is told nowhere else. */
export function isPrivate({ platform, direct }: Route): boolean {
  return direct === true || platform === 'terminal';
}

/** How a reply looks at a glance. */
export type Tone = 'info' | 'busy' | 'good' | 'warn' | 'bad';

/** A card: what every platform can show in its own way, and plain text can too. */
export interface Reply {
  readonly tone: Tone;
  readonly title: string;
  /** Paragraphs. Plain text; the adapter escapes. */
  readonly text?: readonly string[] | undefined;
  readonly fields?: readonly Field[] | undefined;
  /** Rows under a heading; a platform without tables shows a line a row. */
  readonly table?: { readonly columns: readonly string[]; readonly rows: readonly (readonly string[])[] } | undefined;
  readonly progress?: ReplyProgress | undefined;
  /** Preformatted (a log's end). Already redacted. */
  readonly code?: string | undefined;
  readonly buttons?: readonly Button[] | undefined;
  /** What to type next, shown small. */
  readonly hints?: readonly string[] | undefined;
  /** It has words that are worth something for a while, such as a one-time code. */
  readonly once?: ShownOnce | undefined;
}

/** Of words that are not kept: what stands in their place once they were shown, or are worth nothing any more. */
export interface ShownOnce {
  /** Milliseconds since 1970. */
  readonly until: number;
  readonly afterwards: string;
}

export interface Field {
  readonly name: string;
  readonly value: string;
}

export interface ReplyProgress {
  /** `fetching 2 of 8`-like label in the reader's language. */
  readonly label: string;
  readonly step: number;
  readonly steps: number;
  /** Of the current step. */
  readonly done?: number | undefined;
  readonly total?: number | undefined;
  /** `3.1 MB of 8.0 MB · 1.2 MB/s · 4 s left`, already formatted. */
  readonly detail?: string | undefined;
}

export interface Button {
  readonly label: string;
  /** The command that a press sends, as text. */
  readonly command: string;
  readonly style?: 'primary' | 'danger' | 'plain' | undefined;
}
