import { type HubConfig, HubSchema } from './hub-schema.ts';
import { parseFile, readFile } from './parse.ts';

/** `fettle.yaml` as the hub and the commands for people read it. The agent reads its part of it (`load-device.ts`). */

export { ConfigError, type ConfigProblem } from './parse.ts';

/** A parsed file; relative paths in it have been made absolute, starting at the file. */
export interface LoadedConfig {
  readonly file: string;
  readonly config: HubConfig;
}

/**
 * Reads `fettle.yaml`. A missing file is an empty configuration.
 *
 * @throws {ConfigError} naming file, line, key and what was expected
 */
export function loadConfig(file: string): LoadedConfig {
  return { file, config: parseConfig(readFile(file), file) };
}

/** {@link loadConfig} for text that is already there. */
export function parseConfig(text: string, file: string): HubConfig {
  return parseFile(HubSchema, text, file);
}
