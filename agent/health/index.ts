import type { Check } from './contract.ts';
import { httpCheck } from './http.ts';
import { processCheck } from './process.ts';

/** Every kind of check, in the order in which they are looked at: a dead process answers nothing else. */
export const HEALTH_CHECKS: readonly Check[] = [processCheck, httpCheck];
