import type { Check, KeptStatus } from './contract.ts';
import { createHttpCheck } from './http.ts';
import { createProcessCheck } from './process.ts';

/** Every kind of check, in the order in which they are looked at: a dead process answers nothing else. */
export function healthChecks(deps: {
  readonly status: KeptStatus;
  readonly ownsPort: (startId: string, port: number) => boolean;
}): readonly Check[] {
  return [createProcessCheck(deps.status), createHttpCheck(deps.ownsPort)];
}
