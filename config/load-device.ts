import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { AgentSchema, type DeviceConfig, DeviceSchema } from './agent-schema.ts';
import type { HomeLayout } from './home.ts';
import { parseFile, readFile } from './parse.ts';

/**
 * A device's own file: `agent.yaml`, or its part of a machine's single `fettle.yaml`. Apart from the hub's reader,
 * because an agent runs for as long as its device and need not carry what only a hub has to understand.
 *
 * @throws {ConfigError} naming file, line, key and what was expected
 */
export function loadDeviceConfig(file: string): DeviceConfig {
  return parseDevice(readFile(file), file);
}

/** {@link loadDeviceConfig} for text that is already there. In an `agent.yaml`, the hub's keys are as unknown as any. */
export function parseDevice(text: string, file: string): DeviceConfig {
  return parseFile(isAgentFile(file) ? AgentSchema : DeviceSchema, text, file);
}

/** Is it a file of a device alone, by its name? */
export function isAgentFile(file: string): boolean {
  return basename(file).startsWith('agent.');
}

/**
 * The file of the device whose home this is: the one that was given, else the home's `agent.yaml`, else `fettle.yaml`, where
 * the machine's hub has its own as well.
 */
export function deviceFile(layout: Pick<HomeLayout, 'config' | 'deviceConfig'>, given?: string | undefined): string {
  if (given !== undefined) return given;
  return existsSync(layout.deviceConfig) ? layout.deviceConfig : layout.config;
}

/** The file that people mean who look at a home: the hub's where there is one, else the device's. */
export function homeFile(layout: Pick<HomeLayout, 'config' | 'deviceConfig'>, given?: string | undefined): string {
  if (given !== undefined) return given;
  return existsSync(layout.config) ? layout.config : deviceFile(layout);
}
