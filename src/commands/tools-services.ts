import type { Language } from '../domain/reply.ts';
import type { ToolReport, ToolResult } from '../protocol/messages.ts';
import type { Asker } from './asker.ts';

/** Tools that devices' own files name, as far as commands need them. */
export interface DeviceTools {
  /** By device, as each told it when it was last connected. */
  list(): Promise<readonly ToolsOfDevice[]>;
  /** What this event has asked for already, where its end is not told: the command runs anew after a crash. */
  begun(asker: Asker): Promise<Pick<ToolOrder, 'device' | 'tool' | 'args'> | undefined>;
  /**
   * Has a tool run, once for an event, however often it is asked.
   *
   * @returns how it ended; `later` where it still runs: its end is told in the asker's thread
   * @throws {FettleError} `device_offline` · what the device says: `capability_denied`, `tool_refused`, `tool_end_unknown`, `busy` …
   */
  run(order: ToolOrder, signal: AbortSignal): Promise<ToolResult | 'later'>;
}

export interface ToolsOfDevice {
  readonly id: string;
  readonly name: string;
  /** `undefined`: it has never said. */
  readonly tools: readonly ToolReport[] | undefined;
}

export interface ToolOrder {
  /** Id and name. */
  readonly device: { readonly id: string; readonly name: string };
  readonly tool: string;
  readonly args: readonly string[];
  readonly asker: Asker;
  readonly language: Language;
  /** The asker's, for the device's own file: it may want an admin. */
  readonly role: 'operator' | 'admin';
}
