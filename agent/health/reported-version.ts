/**
 * The version in what an app answered: `.a.b` of a JSON text; `.`: all of it, its first line, without the quotes of JSON.
 * `undefined` where there is no such string or number.
 */
export function reportedVersion(answer: string, path: string): string | undefined {
  const value = parse(answer);
  if (path === '.') {
    if (typeof value === 'string' || typeof value === 'number') return String(value).trim() || undefined;
    return answer.trim().split('\n')[0]?.trim() || undefined;
  }
  let found = value;
  for (const key of path.slice(1).split('.')) {
    if (typeof found !== 'object' || found === null) return undefined;
    found = (found as Record<string, unknown>)[key];
  }
  return typeof found === 'string' || typeof found === 'number' ? String(found) : undefined;
}

/** A JSON number is left as it was written: 1.10 is another version than 1.1. */
function parse(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'number' ? text : value;
  } catch {
    return undefined;
  }
}
