import { join } from 'node:path';
import type { Task } from './task.ts';

/**
 * Where the data that is replaced goes, relative to the app's folder. `replaced/` is emptied when the app is at rest:
 * what is in it is in a sealed backup, too. Without one it goes where Fettle never removes anything.
 */
export function asideBefore(task: Task): string {
  const { order, backup } = task.entry;
  return order.kind === 'restore' && backup !== null
    ? join('replaced', order.update)
    : join('failed', `${order.update}-before`);
}
