import { type DeviceConfig, DeviceSchema } from './agent-schema.ts';
import { parseFile, readFile } from './parse.ts';

/**
 * A device's own file: `agent.yaml`, or its part of a machine's single `fettle.yaml`. Apart from the hub's reader,
 * because an agent runs for as long as its device and need not carry what only a hub has to understand.
 *
 * @throws {ConfigError} naming file, line, key and what was expected
 */
export function loadDeviceConfig(file: string): DeviceConfig {
  return parseFile(DeviceSchema, readFile(file), file);
}
