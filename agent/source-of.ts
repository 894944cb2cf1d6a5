import type { AppConfig } from '../config/agent-schema.ts';
import type { Source } from '../src/domain/app.ts';
import { FettleError } from '../src/domain/errors.ts';
import { leadsHere } from '../src/domain/loopback.ts';
import { trustOf } from '../src/domain/trust.ts';
import type { OrderedRelease } from '../src/protocol/messages.ts';
import { readOrderedSource } from '../src/protocol/ordered-source.ts';

/**
 * Where this device reads an app's releases. The file's own source always; where the file names keys and none, the
 * one that the order says: then the keys alone decide what is taken, and where it lies is nobody's privilege.
 */
type Demanding = Pick<AppConfig, 'source' | 'trust' | 'keys'>;

/** Does the file leave it to the order where releases are? */
export function isWhereverSigned(config: Demanding): boolean {
  return config.source === undefined && config.keys.length > 0 && trustOf(config) === 'signed';
}

/**
 * @returns `undefined` where neither says
 * @throws {FettleError} `capability_denied` for a source that no order may name
 */
export function sourceOf(app: string, config: Demanding, release: OrderedRelease | undefined): Source | undefined {
  if (!isWhereverSigned(config)) return config.source;
  const read = release?.source && readOrderedSource(release.source);
  if (read && 'problem' in read) throw denied(app, read.problem);
  return read?.source;
}

/**
 * Looks at an order's source before anything is asked there.
 *
 * @param fromHere is the hub on this machine, too? Only then may it name services of this machine: a hub elsewhere could
 *   otherwise have the device ask what listens here for itself alone
 * @throws {FettleError} `capability_denied`
 */
export function admitSource(
  app: string,
  config: Demanding,
  release: OrderedRelease | undefined,
  fromHere: () => boolean,
): void {
  if (!isWhereverSigned(config)) {
    if (!config.source) throw denied(app, `updates of ${app}, which has no source`);
    return;
  }
  if (!release?.source) {
    throw denied(app, `updates of ${app}: its file names keys and no source, and the order says none that can be told`);
  }
  const read = readOrderedSource(release.source);
  if ('problem' in read) throw denied(app, `releases of ${app} from where the order says: ${read.problem}`);
  const here = read.addresses.some((address) => leadsHere(new URL(address).hostname));
  if (here && !fromHere()) {
    const reason = 'a hub elsewhere has no say in what is asked of this machine itself';
    throw denied(app, `releases of ${app} from where the order says: ${reason}`);
  }
}

function denied(app: string, what: string): FettleError {
  return new FettleError('capability_denied', { data: { app, what } });
}
