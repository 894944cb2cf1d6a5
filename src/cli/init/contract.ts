/** What `fettle init` finds, plans and writes down. */

/** What a path is, as far as that can be seen. */
export type Kind = 'checkout' | 'package' | 'folder' | 'binary';

/** A path that must outlive a switch, and how that was seen. */
export interface Kept {
  /** Relative to the app's folder. */
  readonly path: string;
  readonly why: string;
}

/** A line of `fettle.yaml` that is only suggested: it is written as a comment. */
export interface Suggestion {
  readonly key: string;
  readonly value: string;
  readonly why: string;
}

/** What was found at a path. Nothing has been changed. */
export interface Found {
  readonly kind: Kind;
  /** Real and absolute: the app's folder, or its executable. */
  readonly path: string;
  /** One line for people. */
  readonly what: string;
  readonly name: string;
  readonly source?: string | undefined;
  readonly build?: string | undefined;
  readonly run?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Absent where there is no copy yet that could be taken over. */
  readonly version?: string | undefined;
  /** The release's digest where its source would name it so; else a name for this very copy. */
  readonly digest: string;
  readonly keep: readonly Kept[];
  /** Top-level parts of the folder that make the slot; all but `without` unless given. */
  readonly only?: readonly string[] | undefined;
  /** Relative paths that a slot does not need. */
  readonly without: readonly string[];
  readonly unit?: UnitFacts | undefined;
  readonly suggestions: readonly Suggestion[];
  readonly notes: readonly string[];
}

/** What systemd says of a unit. */
export interface UnitFacts {
  readonly unit: string;
  readonly user: boolean;
  /** The program and its arguments, as the unit has them. */
  readonly argv: readonly string[];
  readonly workingDirectory: string | undefined;
  readonly runsAs: string | undefined;
  readonly active: boolean;
}

/** A process that runs what is to be taken over. */
export interface Runner {
  readonly pid: number;
  readonly command: string;
  readonly ports: readonly number[];
  /** Who would start it again: nobody (`hand`), or a manager by its name. */
  readonly by:
    | { readonly kind: 'hand' }
    | { readonly kind: 'unit' | 'pm2' | 'fettle' | 'container'; readonly name: string };
}

/**
 * One step of taking an app over. Each may be done again, and undone whether it was done, half done or not begun.
 * What it needs for that is in the record before it begins.
 */
export type Step =
  /** The code, copied into a slot that is not sealed yet. */
  | {
      readonly do: 'copy';
      readonly from: string;
      readonly slot: string;
      readonly only?: readonly string[] | undefined;
      readonly without: readonly string[];
    }
  /** A kept path, moved to `shared/`; a link stays in its place. */
  | { readonly do: 'keep'; readonly path: string; readonly from: string; readonly to: string }
  /** Kept paths linked into the slot, everything durable, the marker written. */
  | {
      readonly do: 'seal';
      readonly slot: string;
      readonly version: string;
      readonly digest: string;
      readonly keep: readonly string[];
    }
  /** An executable that stays where it is becomes the first slot. */
  | { readonly do: 'binary'; readonly path: string; readonly version: string }
  /** `current` and `last-good` point at the slot. */
  | { readonly do: 'point'; readonly slot: string }
  /** A file that is written; `before` is what it had, null where there was none. */
  | {
      readonly do: 'write';
      readonly path: string;
      readonly before: string | null;
      readonly after: string;
      readonly mode: number;
      /** What has to be told of it: systemd reads its units again, `config` is Fettle's own file. */
      readonly is: 'config' | 'drop-in' | 'user-drop-in';
    };

/** `apps/APP/init.json`. */
export interface InitRecord {
  readonly v: 1;
  readonly app: string;
  readonly path: string;
  readonly kind: Kind;
  readonly state: 'adopting' | 'adopted' | 'undoing';
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly steps: readonly Step[];
}
