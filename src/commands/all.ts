/** Every command. A new one is its file and its line here; the help puts them in order. */
export { auto } from './auto.ts';
export { backups } from './backups.ts';
export { cancel } from './cancel.ts';
export { check } from './check.ts';
export { help } from './help.ts';
export { history } from './history.ts';
export { logs } from './logs.ts';
export { now } from './now.ts';
export { pin } from './pin.ts';
export { restart } from './restart.ts';
export { restore } from './restore.ts';
export { rollback } from './rollback.ts';
export { settings } from './settings.ts';
export { skip } from './skip.ts';
export { status } from './status.ts';
export { unpin } from './unpin.ts';
export { update } from './update.ts';
