import { commandCheck } from './command.ts';
import type { Check } from './contract.ts';
import { httpCheck } from './http.ts';
import { logCheck } from './log.ts';
import { notifyCheck } from './notify.ts';
import { processCheck } from './process.ts';
import { tcpCheck } from './tcp.ts';

/** Every kind of check, in the order in which they are looked at: a dead process answers nothing else. */
export const HEALTH_CHECKS: readonly Check[] = [processCheck, notifyCheck, logCheck, tcpCheck, httpCheck, commandCheck];
