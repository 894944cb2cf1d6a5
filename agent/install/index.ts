import type { AppConfig } from '../../config/agent-schema.ts';
import type { AppFolder } from '../../config/home.ts';
import { openSlots, type Slots } from './slots.ts';

/**
 * How an app's releases are kept on this device.
 * @param config `undefined` where the file does not name the app: what is in its folder is what there is
 */
export function openInstallation(folder: AppFolder, _config: AppConfig | undefined): Slots {
  return openSlots(folder);
}
