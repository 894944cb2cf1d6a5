import { type HubConfig, HubSchema } from './hub-schema.ts';
import { isAgentFile, parseDevice } from './load-device.ts';
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

/** {@link loadConfig} for text that is already there. An `agent.yaml` is one without a hub, and is held to what such a file may say. */
export function parseConfig(text: string, file: string): HubConfig {
  if (!isAgentFile(file)) return parseFile(HubSchema, text, file);
  const { apps, fettle, updates, tools, policyKey } = parseDevice(text, file);
  return { ...parseFile(HubSchema, '', file), apps, fettle, updates, tools, policyKey };
}
