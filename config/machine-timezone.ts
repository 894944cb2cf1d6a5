import { readlinkSync } from 'node:fs';

/**
 * The machine's time zone, such as `Europe/Zurich`. From where Intl has it as well (`TZ`, `/etc/localtime`), but
 * without Intl where UTC is meant, as on most servers: its tables take 8 MB of every process that asks it.
 */
export function machineTimezone(): string {
  const { TZ = localtime() } = process.env;
  if (/^(Etc\/)?(UTC|UCT|Universal|Zulu)$/.test(TZ)) return 'UTC';
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

function localtime(): string {
  try {
    return /\/zoneinfo\/(.+)$/.exec(readlinkSync('/etc/localtime'))?.[1] ?? '';
  } catch {
    return '';
  }
}
