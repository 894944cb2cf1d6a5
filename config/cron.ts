import { createTask, parse, validate } from 'node-cron';

/**
 * Is this a cron expression of five fields (no seconds, no `@daily`) that fires, and at most once an hour? It must
 * name one minute: two of them are less than an hour apart. The library refuses 30 February by itself, but not all
 * days that never come (`31W` in February), so it is asked for the next one. Never throws.
 */
export function isCron(expression: string): boolean {
  if (expression.split(/\s+/).length !== 5) return false;
  try {
    if (!validate(expression) || new Set(parse(expression).minute).size !== 1) return false;
    const task = createTask(expression, () => undefined, { timezone: 'UTC' });
    try {
      return task.getNextRuns(1).length === 1;
    } finally {
      void task.destroy();
    }
  } catch {
    return false;
  }
}
