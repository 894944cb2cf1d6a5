/** Devices as people name them: names, labels, and what selects them. Pure. */

/** Letters, digits, `-`, `_`, `.`, as host names have them; starts with a letter or digit; at most 60. */
export const DEVICE_NAME = /^[a-z0-9][a-z0-9._-]{0,59}$/i;
const LABEL_KEY = /^[a-z][a-z0-9._-]{0,39}$/i;
const LABEL_VALUE = /^[a-z0-9][a-z0-9._-]{0,59}$/i;
/** They mean something else in a command. */
const RESERVED = ['on', 'all'];

/**
 * `held`: its key was seen from two machines, and neither may connect until a person decides. `revoked`: never again.
 */
export const DEVICE_STATES = ['active', 'held', 'revoked'] as const;
export type DeviceState = (typeof DEVICE_STATES)[number];

export type Labels = Readonly<Record<string, string>>;

/** So many labels has a device at the most. */
export const MOST_LABELS = 20;

/** May a device be called that? An id (`d-…`) may not: it would be taken for another device's. */
export function isDeviceName(text: string): boolean {
  return DEVICE_NAME.test(text) && !RESERVED.includes(text.toLowerCase()) && !/^d-[0-9a-f]{8}-/i.test(text);
}

/** What a host's name makes of a device's; `device` where nothing of it can be used. */
export function deviceNameOf(hostname: string): string {
  const name = hostname
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, '-')
    .replace(/^[^a-z0-9]+/, '')
    .slice(0, 50)
    .replace(/[^a-z0-9]+$/, '');
  return isDeviceName(name) ? name : 'device';
}

/** The name, or `NAME-2`, `NAME-3`, … where it is taken. */
export function freeName(wanted: string, isTaken: (name: string) => boolean): string {
  for (let n = 1; ; n += 1) {
    const name = n === 1 ? wanted : `${wanted.slice(0, 52)}-${n}`;
    if (!isTaken(name)) return name;
  }
}

/** `site=lab`; with an empty value the label goes. `undefined`: it is none. */
export function readLabel(text: string): { readonly key: string; readonly value: string } | undefined {
  const at = text.indexOf('=');
  const [key, value] = [text.slice(0, at), text.slice(at + 1)];
  return at > 0 && LABEL_KEY.test(key) && (value === '' || LABEL_VALUE.test(value)) ? { key, value } : undefined;
}

/** `site=lab, rack=2`, in the order of their keys. */
export function describeLabels(labels: Labels): string {
  return Object.entries(labels)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`)
    .join(', ');
}

/** What stands behind `on`. */
export type Selector =
  | { readonly by: 'all' }
  | { readonly by: 'label'; readonly key: string; readonly value: string }
  | { readonly by: 'name'; readonly name: string };

export function readSelector(text: string): Selector {
  if (text.toLowerCase() === 'all') return { by: 'all' };
  const label = readLabel(text);
  return label ? { by: 'label', ...label } : { by: 'name', name: text };
}

/** Is the device meant? Names don't mind case. */
export function isSelected(
  selector: Selector,
  device: { readonly id: string; readonly name: string; readonly labels: Labels },
): boolean {
  if (selector.by === 'all') return true;
  if (selector.by === 'label') return device.labels[selector.key] === selector.value;
  return device.id === selector.name || device.name.toLowerCase() === selector.name.toLowerCase();
}
