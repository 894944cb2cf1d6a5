import { isSelected, readSelector } from '../domain/device.ts';
import { FettleError } from '../domain/errors.ts';
import type { AppReport } from '../protocol/messages.ts';
import type { DeviceWithApps } from '../store/devices.ts';

/** Which device is meant. One at a time: several at once come with rollouts. Pure. */

export interface Choice {
  readonly app: string;
  /** What stood behind `on`. */
  readonly on?: string | undefined;
  /** The command, without the device, for buttons. */
  readonly command: string;
}

export interface Chosen {
  readonly device: DeviceWithApps;
  readonly report: AppReport | undefined;
}

/**
 * The device that was named; without a name the only one that has the app.
 *
 * @throws {FettleError} `unknown_device` · `device_needed` where it may be several · `not_on_device` · `device_cloned` ·
 *   `device_offline` where there is none at all
 */
export function chooseDevice(devices: readonly DeviceWithApps[], { app, on, command }: Choice): Chosen {
  const has = (device: DeviceWithApps) => device.apps.some((report) => report.app === app);
  // The hub's own machine reads the same file as the hub, and so names apps that are there for others.
  const runs = (device: DeviceWithApps) =>
    device.apps.some((report) => report.app === app && (report.version ?? report.install) !== undefined);
  const having = devices.some(runs) ? devices.filter(runs) : devices.filter(has);
  const named = on === undefined ? devices : devices.filter((device) => isSelected(readSelector(on), device));
  if (on !== undefined && named.length === 0) {
    const known = devices.map(({ name }) => name).slice(0, 10);
    throw new FettleError('unknown_device', { data: { typed: on.slice(0, 60), known } });
  }
  const byName = on !== undefined && readSelector(on).by === 'name';
  const meant = byName ? named.filter(has) : named.filter((device) => having.includes(device));
  if (meant.length > 1) {
    const names = meant.map(({ name }) => name);
    // Buttons: `apps` are their labels.
    const ways = { try: names.slice(0, 10).map((name) => `${command} on ${name}`), apps: names.slice(0, 10) };
    throw new FettleError('device_needed', { data: { app, devices: names, selector: on, ...ways } });
  }
  // A machine alone may be asked for what it has not told of yet.
  const device = meant[0] ?? (devices.length === 1 ? devices[0] : undefined);
  if (devices.length === 0)
    throw new FettleError('device_offline', { data: { app, device: 'this machine' }, retryable: true });
  if (!device) {
    const names = having.map(({ name }) => name);
    const one = on === undefined ? undefined : (named[0]?.name ?? on);
    throw new FettleError('not_on_device', { data: { app, device: one, devices: names } });
  }
  if (device.state === 'held') throw new FettleError('device_cloned', { data: { device: device.name } });
  return { device, report: device.apps.find((report) => report.app === app) };
}
