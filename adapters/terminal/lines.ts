import { StringDecoder } from 'node:string_decoder';

/** Cuts a byte stream into lines. Feeding a line longer than `limit` throws, so that nobody can fill the memory. */
export function createLineReader(limit: number): { feed(chunk: Uint8Array): readonly string[] } {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  return {
    feed(chunk) {
      rest += decoder.write(Buffer.from(chunk));
      const lines = rest.split('\n');
      rest = lines.pop() ?? '';
      if (rest.length > limit || lines.some((line) => line.length > limit)) {
        throw new Error(`a line is longer than ${limit} characters`);
      }
      return lines.filter((line) => line.trim() !== '');
    },
  };
}

/** A line as JSON; `undefined` where it is none. */
export function readJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
