/** Every command. A new one is its file and its line here; the help puts them in order. */
export { cancel } from './cancel.ts';
export { check } from './check.ts';
export { help } from './help.ts';
export { history } from './history.ts';
export { later } from './later.ts';
export { logs } from './logs.ts';
export { now } from './now.ts';
export { restart } from './restart.ts';
export { rollback } from './rollback.ts';
export { status } from './status.ts';
export { update } from './update.ts';
